"""What a replay writes while it runs: trades, events, levels, and what the pictures need."""

from __future__ import annotations

import os
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from ...enums import EventKind
from ...errors import DataError
from ...tables import trades
from .lanes import Step
from .page import MOST_MARKETS, Agreement, write_page
from .report import Check, MarketFigures, Report
from .run import Replay
from .series import Series
from .wording import market_row, notes_of, sections_of
from .writers.layouts import EVENTS, TRADES, depth_layout, depth_rows, event_rows, trade_rows
from .writers.new_file import part_of
from .writers.tables import TableWriter, open_table


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which files a replay shall write; None for those that it shall not."""

    trades: Path | None = None
    events: Path | None = None
    depth: Path | None = None
    page: Path | None = None
    checkpoint: Path | None = None

    def check(self, source: Path) -> None:
        """DataError if two outputs have one name, or one is the file that is read."""
        taken: set[Path] = set()
        for path in (self.trades, self.events, self.depth, self.page, self.checkpoint):
            if path is None:
                continue
            # What is written stands beside its final name until it is complete.
            both = (path, part_of(path))
            for name in both:
                if name.exists() and source.exists() and name.samefile(source):
                    raise DataError(f"{name}: is the file that is read; choose another name")
            real = {Path(os.path.realpath(name)) for name in both}
            if real & taken:
                raise DataError(f"{path}: two outputs cannot go into one file")
            taken |= real


class Outputs:
    """The open files of one replay; leaving the ``with`` block puts them in place."""

    def __init__(self, wanted: Wanted, replay: Replay) -> None:
        wanted.check(replay.source.path)
        self._wanted = wanted
        self._replay = replay
        self._stack = ExitStack()
        self._series: dict[int, Series] = {}
        self._volume: dict[int, int] = {}
        source = replay.source
        self._names: list[str] = getattr(source, "markets", [])
        self._about: dict[str, str | int] = {
            "format": source.format_name,
            "mode": replay.mode,
            "price_decimals": getattr(source, "price_decimals", 0),
            "qty_decimals": getattr(source, "qty_decimals", 0),
        }
        self._trades = self._open(wanted.trades, "trades")
        self._events = self._open(wanted.events, "events")
        self._depth = self._open(wanted.depth, "depth")

    def _open(self, path: Path | None, what: str) -> TableWriter | None:
        if path is None:
            return None
        layouts = {"trades": TRADES, "events": EVENTS, "depth": depth_layout(self._replay.levels)}
        try:
            table = open_table(path, layouts[what], markets=self._names, about=self._about)
            self._stack.enter_context(table)
        except BaseException:
            self._stack.__exit__(DataError, None, None)
            raise
        return table

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.__exit__(kind, error, trace)

    def add(self, step: Step) -> None:
        """Write what a step did."""
        if self._trades is not None:
            self._trades.write(trade_rows(step.events, step.market, step.places))
        if self._events is not None:
            self._events.write(event_rows(step.events, step.market, step.places))
        samples = step.samples
        if self._depth is not None and len(samples.depth):
            self._depth.write(
                depth_rows(samples.timestamp_ns, samples.place, step.market, samples.depth)
            )
        if self._wanted.page is not None:
            self._draw(step)

    def _draw(self, step: Step) -> None:
        made = step.events[step.events["kind"] == EventKind.TRADE]
        volume = self._volume.get(step.market, 0) + int(made["qty_lots"].sum())
        self._volume[step.market] = volume
        series = self._series.get(step.market)
        if series is None:
            series = self._series[step.market] = Series(self._replay.levels)
            self._drop_quietest(step.market)
        if step.market not in self._series:
            return
        if len(step.samples.depth):
            series.add_depth(step.samples.timestamp_ns, step.samples.depth)
        series.add_trades(trades(made))

    def _drop_quietest(self, newest: int) -> None:
        """Pictures of a few markets are enough, and memory must not follow their number."""
        if len(self._series) > 4 * MOST_MARKETS:
            quietest = min(
                (market for market in self._series if market != newest),
                key=lambda market: self._volume.get(market, 0),
            )
            del self._series[quietest]

    def finish(self, report: Report) -> None:
        """Write the page, once the figures are known."""
        if self._wanted.page is None:
            return
        order = sorted(self._series, key=lambda market: -self._volume.get(market, 0))
        sections = sections_of(report)
        if len(report.markets) > 1:
            sections.append(("Markets", [_market_line(row, report) for row in report.markets[:20]]))
        write_page(
            self._wanted.page,
            sections,
            [(self._replay.market_name(market), self._series[market]) for market in order],
            title=f"{Path(report.path).name}: {report.mode}",
            price_decimals=report.price_decimals,
            qty_decimals=report.qty_decimals,
            latency=self._replay.latency,
            agreement=_agreement(list(report.checks)),
            notes=[f"{note}." for note in notes_of(report)],
        )


def _market_line(market: MarketFigures, report: Report) -> tuple[str, str]:
    name, trades, volume, orders, bid, ask = market_row(market, report)
    return name, f"{trades} trades, volume {volume}, {orders} orders, {bid} / {ask}"


def _agreement(checks: list[Check]) -> list[Agreement]:
    """The checks as bars; what has the same volume is told apart where both are known."""
    by_name = {check.name: check for check in checks}
    exact = by_name.get("aggressive orders: the same fills")
    volume = by_name.get("aggressive orders: the same volume at each price")
    rows = []
    for check in checks:
        if check is exact and volume is not None:
            rows.append(
                Agreement(
                    "aggressive orders", check.right, volume.right - check.right, volume.wrong
                )
            )
        elif check is not volume:
            rows.append(Agreement(check.name, check.right, 0, check.wrong))
    return rows
