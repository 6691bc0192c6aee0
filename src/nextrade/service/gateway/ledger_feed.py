"""The ledger's stream as a feed: decoded, each change once, with what is missing said."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from ...domain.listings import Listings
from ...domain.protocol.changes import (
    Change,
    ChangeKind,
    ChangeMessage,
    ChangePurpose,
    read_change_message,
)
from ...errors import BadFrame, EventsMissing
from .facts import time_text
from .feed import Reader
from .ledger_follower import LedgerFollower

__all__ = ["LedgerNews", "change_facts", "ledger_news"]

_NAMES = {
    (ChangeKind.CREDIT, ChangePurpose.DEPOSIT): "deposit",
    (ChangeKind.HOLD, ChangePurpose.WITHDRAWAL): "hold",
    (ChangeKind.CAPTURE, ChangePurpose.WITHDRAWAL): "capture",
    (ChangeKind.REFUND, ChangePurpose.WITHDRAWAL): "refund",
    (ChangeKind.HOLD, ChangePurpose.TRANSFER): "transfer-hold",
    (ChangeKind.CREDIT, ChangePurpose.TRANSFER): "transfer-in",
    (ChangeKind.CAPTURE, ChangePurpose.TRANSFER): "transfer-out",
}


class LedgerNews(NamedTuple):
    """One message of the feed, or what is wrong with the stream here."""

    message: ChangeMessage | None
    trouble: str


def ledger_news(reader: Reader, follower: LedgerFollower, timeout_s: float) -> Iterator[LedgerNews]:
    """What comes, until nothing came for so long; BusLost or BusRefused when it cannot be read."""
    while entries := reader.read(timeout_s):
        for entry in entries:
            try:
                message = read_change_message(entry.body)
            except BadFrame as error:
                yield LedgerNews(None, f"offset {entry.offset} of the ledger's stream: {error}")
                continue
            try:
                accepted = follower.accept(message)
            except EventsMissing as error:
                yield LedgerNews(None, str(error))
                follower.skip_to(message)
                accepted = follower.accept(message)
            if accepted is not None:
                yield LedgerNews(accepted, "")


def change_facts(listings: Listings, message: ChangeMessage) -> Iterator[dict[str, Any]]:
    """The changes of a message as plain values; amounts are decimal text in units of the asset."""
    for sequence, change in enumerate(message.changes, message.first):
        yield {
            "time": time_text(message.sent_ns),
            "bucket": message.bucket,
            "sequence": sequence,
            "event": _NAMES.get((change.kind, change.purpose), change.kind.name.lower()),
            "account": change.changed_account,
            **_amount(listings, change),
            **_other(change),
            "reference": change.reference,
        }


def _amount(listings: Listings, change: Change) -> dict[str, str]:
    if change.asset >= len(listings.assets):
        return {"amount": str(change.amount), "asset": f"asset {change.asset}"}
    asset = listings.assets[change.asset]
    return {"amount": asset.text(change.amount), "asset": asset.name}


def _other(change: Change) -> dict[str, int]:
    if change.purpose != ChangePurpose.TRANSFER:
        return {}
    if change.kind == ChangeKind.CREDIT:
        return {"from_account": change.account}
    return {"to_account": change.other_account}
