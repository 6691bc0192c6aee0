"""Where the ladders of ``nextrade book`` come from and go to: once, alive, or at set times."""

from __future__ import annotations

import json
from time import monotonic, sleep

import click
from rich.console import Console
from rich.live import Live

from ..service.replay.book_view import BookView, fullest_market, view_of
from ..service.replay.clock import Moment, time_text
from ..service.replay.moment import MomentWalk
from .ladder import PLAIN_WIDTH, LadderStyle, ladder

_REDRAWS_A_SECOND = 10
_BURST = 1000
"""Records between two looks at the time, as fast as it goes."""

_LINES_AROUND = 7
"""Of a ladder that are no levels, and the line of the cursor."""


def walk_to(walk: MomentWalk, moment: Moment, first_ns: int | None) -> None:
    """Walk to a moment; ValueError if the file has no such clock."""
    if moment.records is not None:
        walk.to_records(moment.records)
        return
    time_ns = None if first_ns is None else moment.time_in(first_ns)
    if time_ns is None:
        if not moment.start:
            walk.to_end()
    else:
        walk.to_time(time_ns)


def note_at(walk: MomentWalk, moment: Moment, first_ns: int | None) -> str:
    """What is to be said of a moment outside the file, if it is."""
    if moment.records is not None:
        if moment.records > walk.records and walk.ended:
            return f"The file has {walk.records:,} records: the end"
        return ""
    time_ns = None if first_ns is None else moment.time_in(first_ns)
    if first_ns is None or time_ns is None:
        return ""
    if time_ns < first_ns:
        began = "the book as it starts" if walk.records else "an empty book"
        return f"Before the first record ({time_text(first_ns)}): {began}"
    if walk.ended and walk.now_ns is not None and time_ns > walk.now_ns:
        return f"After the last record ({time_text(walk.now_ns)}): the end"
    return ""


class Show:
    """Shows the book of one market of a walk."""

    def __init__(
        self,
        walk: MomentWalk,
        market: str | None,
        levels: int,
        *,
        with_orders: bool,
        as_json: bool,
    ) -> None:
        console = Console(highlight=False)
        if not console.is_terminal:
            console = Console(highlight=False, width=PLAIN_WIDTH)
        self._console = console
        self._walk = walk
        self._market = market
        self._watching = ""
        """The market that is watched if none was asked for."""
        self._levels = levels
        self._with_orders = with_orders
        self._as_json = as_json

    @property
    def on_terminal(self) -> bool:
        """Whether a ladder can be drawn over the one before."""
        return self._console.is_terminal and not self._as_json

    def once(self, note: str) -> None:
        """Print the book as it stands."""
        view = self._view(self._levels)
        if self._as_json:
            click.echo(json.dumps(view.as_dict(), indent=2))
            return
        self._print(view, note)
        if self._market is None and view.markets > 1:
            click.echo(
                f"\n{view.markets:,} markets; the one with most orders is shown, choose with"
                f" --market ({_some(list(self._walk.markets))})"
            )

    def at_times(self, every_ns: int, note: str) -> None:
        """Print the book now, and at each multiple of a time of the market until the end.

        Times at which nothing has happened since the one before are left out.
        """
        walk = self._walk
        self._line(note)
        now_ns = walk.first_ns() if walk.now_ns is None else walk.now_ns
        while now_ns is not None and not walk.ended:
            next_ns = max(walk.next_ns() or 0, now_ns + 1)
            now_ns = -(-next_ns // every_ns) * every_ns
            before = walk.records
            walk.to_time(now_ns)
            if walk.records > before:
                self._line("")

    def live(self, speed: float | None) -> None:
        """Draw the book while it runs, until the end or Ctrl-C."""
        walk = self._walk
        levels = min(self._levels, max((self._console.height - _LINES_AROUND) // 2, 1))
        style = LadderStyle(self._console)
        start_ns = walk.now_ns if walk.now_ns is not None else walk.first_ns() or 0
        started = monotonic()
        wanted = walk.records
        with Live(console=self._console, auto_refresh=False, vertical_overflow="crop") as drawn:
            try:
                while True:
                    begun = monotonic()
                    view = self._watched(levels)
                    drawn.update(ladder(view, style, self._others(view)), refresh=True)
                    if walk.ended:
                        break
                    if speed is not None:
                        walk.to_time(start_ns + int((begun - started) * speed * 1e9))
                        taken = monotonic() - begun
                        sleep(max(1 / _REDRAWS_A_SECOND - taken, 0))
                        continue
                    while monotonic() - begun < 1 / _REDRAWS_A_SECOND and not walk.ended:
                        wanted += _BURST
                        walk.to_records(wanted)
            except KeyboardInterrupt:
                pass  # the last ladder stays on the screen

    def _view(self, levels: int) -> BookView:
        """The book now: of the market that was asked for, or of the one with most orders."""
        market = self._market or self._watching or fullest_market(self._walk)
        return view_of(self._walk, market, levels, with_orders=self._with_orders)

    def _watched(self, levels: int) -> BookView:
        """The book now; the market stays the same from the first one that has orders."""
        view = self._view(levels)
        if view.open_orders:
            self._watching = view.market
        return view

    def _others(self, view: BookView) -> str:
        """Says that there are other markets, if nobody chose this one."""
        if self._market is not None or view.markets < 2:
            return ""
        return f"one of {view.markets:,} markets; choose with --market"

    def _print(self, view: BookView, note: str) -> None:
        style = LadderStyle(self._console)
        self._console.print(ladder(view, style, note), soft_wrap=True)

    def _line(self, note: str) -> None:
        view = self._watched(self._levels)
        if self._as_json:
            click.echo(json.dumps(view.as_dict()))
        else:
            self._print(view, note or self._others(view))
            click.echo()


def _some(names: list[str]) -> str:
    names = sorted(names)
    return ", ".join(names[:8]) + (", ..." if len(names) > 8 else "")
