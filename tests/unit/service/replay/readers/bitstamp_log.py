"""Made-up Bitstamp logs, and their messages in brief."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from nextrade.service.replay.messages import MESSAGE_DTYPE, Action, Messages
from nextrade.service.replay.readers.bitstamp import Bitstamp
from nextrade.service.replay.readers.source import BadRecords, Recording

FIRST_MS = 1_430_438_404_000


class Log:
    """Writes lines, a millisecond apart."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lines: list[str] = []

    def line(self, kind: str, text: str, at: int | None = None) -> "Log":
        """One more line."""
        time = FIRST_MS + len(self.lines) if at is None else at
        self.lines.append(f"{time} {kind} {text}")
        return self

    def order(
        self,
        what: str,
        order_id: int,
        price: str,
        amount: str,
        *,
        side: int = 0,
        at: int | None = None,
    ) -> "Log":
        """An order was created, changed or deleted."""
        said = {"price": price, "amount": amount, "datetime": "1", "id": order_id}
        return self.line(f"order_{what}", json.dumps({**said, "order_type": side}), at)

    def trade(self, price: str, amount: str, *, at: int | None = None) -> "Log":
        """A trade, its numbers written as they are given."""
        return self.line("trade", f'{{"price": {price}, "amount": {amount}, "id": 1}}', at)

    def book(self, bids: Sequence[tuple[str, str]], asks: Sequence[tuple[str, str]]) -> "Log":
        """The best levels."""
        return self.line("order_book", json.dumps({"bids": bids, "asks": asks}))

    def open(self, *, skip: bool = False, written: bool = False) -> Bitstamp:
        """The log, opened; ``written``: the file is there already."""
        if not written:
            self.path.write_text("\n".join(self.lines) + "\n")
        return Bitstamp(self.path, BadRecords(skip))


def everything(recording: Recording) -> Messages:
    """The messages of all parts."""
    return np.concatenate([np.zeros(0, MESSAGE_DTYPE), *(p.messages for p in recording.parts())])


def brief(messages: Messages) -> list[tuple[object, ...]]:
    """Action, id, price, quantity, what is left."""
    return [
        (
            Action(row["action"]),
            int(row["order_id"]),
            int(row["price_ticks"]),
            int(row["qty_lots"]),
            int(row["leaves_lots"]),
        )
        for row in messages
    ]
