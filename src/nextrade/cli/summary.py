"""The report of a replay as a table on standard output."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table
from rich.text import Text

from ..service.replay.report import Report
from ..service.replay.wording import market_row, notes_of, sections_of

_PLAIN_WIDTH = 100
_MARKETS = 10


def print_summary(report: Report) -> None:
    """Print the figures of a replay, then the markets if there are several, then notes."""
    console = Console(highlight=False)
    if not console.is_terminal:  # in a file or a pipe the width of no terminal matters
        console = Console(highlight=False, width=_PLAIN_WIDTH)
    mode = "" if report.mode == "flow" else f", {report.mode}"
    console.print(Text(f"{report.path} ({report.format_name}{mode})"))  # names are not markup
    table = Table()
    table.add_column("what", no_wrap=True)
    table.add_column("how much", justify="right", overflow="fold")
    for _, rows in sections_of(report):
        for row in rows:
            table.add_row(*row)
        table.add_section()
    console.print(table)
    if len(report.markets) > 1:
        _print_markets(console, report)
    for note in notes_of(report):
        console.print(f"Note: {note}.", markup=False)


def _print_markets(console: Console, report: Report) -> None:
    """The busiest markets."""
    table = Table()
    table.add_column("market", no_wrap=True)
    for name in ("trades", "volume", "open orders", "best bid", "best ask"):
        table.add_column(name, justify="right", no_wrap=True)
    for market in report.markets[:_MARKETS]:
        name, *figures = market_row(market, report)
        table.add_row(Text(name), *figures)
    console.print(table)
    left = len(report.markets) - _MARKETS
    if left > 0:
        console.print(f"Note: {left:,} more markets are not shown.", markup=False)
