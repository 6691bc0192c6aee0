"""What a bucket keeps, in words: assets by name, amounts as decimal text, codes by name."""

from __future__ import annotations

from typing import Any

from ...domain.listings import Listings
from ..ledger.redis.codes import HoldState, Purpose
from ..ledger.redis.scanning import CLAIM


class Words:
    """Names and decimals of an exchange's assets. One that is not listed is told by number."""

    def __init__(self, listings: Listings) -> None:
        self.listings = listings

    def asset(self, number: int) -> str:
        """The name of an asset."""
        assets = self.listings.assets
        return assets[number].name if number < len(assets) else f"asset {number}"

    def amount(self, number: int, units: int) -> str:
        """An amount of an asset; one of an asset that is not listed in smallest units."""
        assets = self.listings.assets
        if number >= len(assets):
            return str(units)
        # What is damaged may be negative, and is to be shown all the same.
        text = assets[number].text(abs(units)) if abs(units) < 2**63 else str(abs(units))
        return f"-{text}" if units < 0 else text

    def claim(self, claim: bytes) -> dict[str, Any]:
        """What a reference stands for."""
        if len(claim) != CLAIM.size:
            return {"purpose": "damaged", "account": 0, "bytes": claim.hex()}
        purpose, account, asset, amount, other = CLAIM.unpack(claim)
        known = purpose in set(Purpose)
        told: dict[str, Any] = {
            "purpose": Purpose(purpose).name.lower() if known else f"unknown {purpose}",
            "account": account,
            "asset": self.asset(asset),
            "amount": self.amount(asset, amount),
        }
        if purpose == Purpose.TRANSFER:
            told["to_account"] = other
        return told

    def progress(self, purpose: str, entry: bytes | None, credit: bytes | None) -> dict[str, Any]:
        """How far what a reference stands for has come: its hold, and its credit."""
        told: dict[str, Any] = {}
        if purpose in ("withdrawal", "transfer"):
            told["hold"] = "none" if not entry else _state(entry[0])
        if purpose in ("credit", "transfer"):
            told["credited"] = credit is not None
        return told


def _state(number: int) -> str:
    known = number in set(HoldState)
    return HoldState(number).name.lower() if known else f"unknown {number}"
