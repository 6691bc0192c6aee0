"""A replay of a recorded session, and what of it is compared with the truth."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nextrade.enums import EventFlag, EventKind
from nextrade.service.replay.report import Report
from nextrade.service.replay.run import Replay

from .recorder.market import Session
from .recorder.truth import Trade

Standing = list[tuple[int, int, int, int]]

TIMED = (
    "file",
    "engine_seconds",
    "total_seconds",
    "engine_commands_per_second",
    "total_commands_per_second",
    "latency_ns",
)
"""What of a report says how fast it went, and where."""


@dataclass
class Outcome:
    """What a replay did and said."""

    report: Report
    trades: dict[str, list[Trade]] = field(default_factory=dict)
    """Of aggressive orders, by market."""
    auctions: dict[str, list[tuple[int, int, int, int]]] = field(default_factory=dict)
    """Buyer, seller, price and quantity of what call auctions traded, by market."""
    standing: dict[str, Standing] = field(default_factory=dict)
    """What rests at the end, as ``Market.standing``."""

    def wrong(self) -> dict[str, int]:
        """The checks that are not all right, and how much is not."""
        return {check.name: check.wrong for check in self.report.checks if check.wrong}

    def rows(self, beginning: str) -> int:
        """How much was compared by the check whose name begins so."""
        return sum(check.rows for check in self.report.checks if check.name.startswith(beginning))

    def beyond(self) -> list[str]:
        """Notes about trades that were never recorded."""
        return [check.note for check in self.report.checks if "the engine made" in check.note]


def run(path: Path, mode: str, **settings: Any) -> Outcome:
    """Replay a file to its end."""
    return outcome(Replay(path, mode=mode, **settings))


def outcome(replay: Replay, before: Outcome | None = None, *, stop_after: int = 0) -> Outcome:
    """Walk to the end (or to a stop after so many steps) and gather what came of it.

    ``before``: what came of the replay that was stopped and resumed here.
    """
    found = Outcome(replay.report()) if before is None else before
    for number, step in enumerate(replay, 1):
        if number == stop_after:
            replay.stop()
        name = replay.market_name(step.market)
        made = step.events[step.events["kind"] == EventKind.TRADE]
        by_call = made["flags"] & EventFlag.AUCTION != 0
        columns = ("timestamp_ns", "side", "maker_id", "price_ticks", "qty_lots")
        its = zip(*(made[~by_call][column].tolist() for column in columns), strict=True)
        found.trades.setdefault(name, []).extend(Trade(*row) for row in its)
        columns = ("order_id", "maker_id", "price_ticks", "qty_lots")
        found.auctions.setdefault(name, []).extend(
            zip(*(made[by_call][column].tolist() for column in columns), strict=True)
        )
    found.standing = {name: standing_in(book.orders()) for name, book in replay.books.items()}
    found.report = replay.report()
    return found


def standing_in(orders: Any) -> Standing:
    """(side, id, price, shown quantity) of the orders of a book, each side best first."""
    columns = ("side", "order_id", "price_ticks", "visible_lots")
    rows = list(zip(*(orders[column].tolist() for column in columns), strict=True))
    queue = {row[1]: number for number, row in enumerate(rows)}
    return sorted(rows, key=lambda row: (row[0], row[2] * (2 * row[0] - 1), queue[row[1]]))


def true_standing(session: Session, market: int, tick: int, lot: int) -> Standing:
    """What must rest at the end, in the same order."""
    return session.markets[market].standing(tick, lot)


def figures(report: Report) -> dict[str, Any]:
    """All of a report but its times."""
    return {name: value for name, value in report.as_dict().items() if name not in TIMED}
