"""Proof of money: what the ledger says, what the orders hold, what the journal gives."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from ...errors import InvariantError
from ..ledger.memory import MemoryLedger

if TYPE_CHECKING:
    from .core import Core


@dataclass(frozen=True, slots=True)
class AssetProof:
    """One asset, in base units. Money came in from outside and is somewhere."""

    asset: str
    outside: int
    """Deposits minus payouts."""
    available: int
    held: int
    fees: int
    """Of what is available, the exchange's own."""
    in_orders: int
    """What open orders hold, and what has left their holds by slices that are not settled yet."""
    in_withdrawals: int

    @property
    def holds(self) -> bool:
        """Whether everything is accounted for."""
        return (
            self.available + self.held == self.outside
            and self.held == self.in_orders + self.in_withdrawals
            and min(self.available, self.held, self.fees) >= 0
        )


@dataclass(frozen=True, slots=True)
class Proof:
    """What was proved of an exchange, and what contradicts itself."""

    assets: tuple[AssetProof, ...]
    full: bool
    faults: tuple[str, ...] = field(default=())

    @property
    def holds(self) -> bool:
        """Whether no contradiction was found."""
        return not self.faults


def prove(core: Core, *, full: bool) -> Proof:
    """Compare ledger and orders, by running totals, or account by account if ``full``."""
    totals = {int(row["asset"]): row for row in core.ledger.totals()}
    in_orders = sum(
        (
            partition.held_totals().astype(object) + partition.pending_held().astype(object)
            for partition in core.partitions.values()
        ),
        np.zeros(len(core.listings.assets), dtype=object),
    )
    withdrawals = _withdrawals(core)
    assets = []
    for number, asset in enumerate(core.listings.assets):
        row = totals.get(number)
        fees = core.ledger.balances([(0, number)])["available"][0]
        assets.append(
            AssetProof(
                asset.name,
                0 if row is None else int(row["outside"]),
                0 if row is None else int(row["available"]),
                0 if row is None else int(row["held"]),
                int(fees),
                int(in_orders[number]),
                withdrawals.get(number, 0),
            )
        )
    faults = [_fault(one) for one in assets if not one.holds]
    if full:
        faults += _walk(core)
    return Proof(tuple(assets), full, tuple(faults))


def _withdrawals(core: Core) -> dict[int, int]:
    held: dict[int, int] = {}
    if isinstance(core.ledger, MemoryLedger):
        for _, _, asset, amount in core.ledger.open_holds():
            held[asset] = held.get(asset, 0) + amount
    return held


def _fault(one: AssetProof) -> str:
    return (
        f"{one.asset}: available {one.available:,} + held {one.held:,} against {one.outside:,}"
        f" that came in; held against {one.in_orders:,} of orders + {one.in_withdrawals:,} of"
        " withdrawals"
    )


def _walk(core: Core) -> list[str]:
    """Every balance and every open order."""
    faults = []
    expected: dict[tuple[int, int], int] = {}
    for number, partition in core.partitions.items():
        try:
            partition.check_invariants()
        except InvariantError as error:
            faults.append(f"partition {number}: {error}")
        for order in partition.open_orders():
            key = int(order["account"]), int(order["asset"])
            expected[key] = expected.get(key, 0) + int(order["held"])
        for posting in partition.pending_postings():
            key = int(posting["account"]), int(posting["asset"])
            expected[key] = expected.get(key, 0) - int(posting["held"])
    if not isinstance(core.ledger, MemoryLedger):
        return faults
    for _, account, asset, amount in core.ledger.open_holds():
        expected[account, asset] = expected.get((account, asset), 0) + amount
    for row in core.ledger.all_balances():
        key = int(row["account"]), int(row["asset"])
        held = expected.pop(key, 0)
        if row["available"] < 0 or row["held"] < 0:
            faults.append(f"account {key[0]}, asset {key[1]}: a balance is negative")
        if int(row["held"]) != held:
            faults.append(
                f"account {key[0]}, asset {key[1]}: {int(row['held']):,} is held, and its orders"
                f" and withdrawals hold {held:,}"
            )
    faults += [
        f"account {account}, asset {asset}: orders hold {held:,}, and nothing is held"
        for (account, asset), held in expected.items()
        if held
    ]
    return faults
