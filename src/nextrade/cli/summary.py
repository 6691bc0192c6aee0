"""The report of a replay as a table on standard output."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table
from rich.text import Text

from ..service.replay.report import Check, Report, decimal_text

_PLAIN_WIDTH = 100


def print_summary(report: Report) -> None:
    """Print the figures of a replay. Prices are ticks, quantities lots."""
    console = Console(highlight=False)
    if not console.is_terminal:  # in a file or a pipe the width of no terminal matters
        console = Console(highlight=False, width=_PLAIN_WIDTH)
    console.print(Text(f"{report.path} ({report.format_name})"))  # Text: names are not markup
    table = Table()
    table.add_column("what", no_wrap=True)
    table.add_column("how much", justify="right", overflow="fold")

    table.add_row("commands", f"{report.commands:,}")
    for kind, count in report.commands_by_kind.items():
        table.add_row(f"  {kind}", f"{count:,}")
    table.add_row("rejected", f"{report.rejected:,}")
    for reason, count in report.rejected_by_reason.items():
        table.add_row(f"  {reason}", f"{count:,}")
    table.add_row("events", f"{report.events:,}")
    table.add_section()
    table.add_row("trades", f"{report.trades:,}")
    table.add_row("volume (lots)", f"{report.volume_lots:,}")
    vwap = "none" if report.vwap_ticks is None else decimal_text(report.vwap_ticks, 4)
    table.add_row("average price (VWAP, ticks)", vwap)
    table.add_row("last price (ticks)", _price(report.last_price))
    table.add_section()
    table.add_row("open orders at the end", f"{report.resting_orders:,}")
    table.add_row("best bid / best ask", f"{_price(report.best_bid)} / {_price(report.best_ask)}")
    table.add_row("trading state", report.state)
    table.add_row("state hash", f"{report.state_hash:016x}")
    table.add_section()
    table.add_row("book alone", f"{report.engine_rate:,.0f} commands/s")
    table.add_row("file to figures", f"{report.total_rate:,.0f} commands/s")
    if report.checks:
        table.add_section()
        for check in report.checks:
            table.add_row(check.name, _verdict(check))
    console.print(table)
    for remark in (*report.remarks, *(check.note for check in report.checks if check.note)):
        console.print(f"Note: {remark}.", markup=False)


def _price(ticks: int | None) -> str:
    return "none" if ticks is None else f"{ticks:,}"


def _verdict(check: Check) -> str:
    return f"{check.right:,} of {check.rows:,} rows right, {check.wrong:,} wrong"
