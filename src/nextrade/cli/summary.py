"""The report of a replay as a table on standard output."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table
from rich.text import Text

from ..service.replay.report import Check, Report, decimal_text

_PLAIN_WIDTH = 100
_MARKETS = 10


def print_summary(report: Report) -> None:
    """Print the figures of a replay. Prices are ticks, quantities lots."""
    console = Console(highlight=False)
    if not console.is_terminal:  # in a file or a pipe the width of no terminal matters
        console = Console(highlight=False, width=_PLAIN_WIDTH)
    console.print(Text(_title(report)))  # Text: names are not markup
    table = Table()
    table.add_column("what", no_wrap=True)
    table.add_column("how much", justify="right", overflow="fold")
    if report.messages:
        table.add_row("records", f"{report.messages:,}")
    table.add_row("commands", f"{report.commands:,}")
    for kind, count in report.commands_by_kind.items():
        table.add_row(f"  {kind}", f"{count:,}")
    table.add_row("rejected", f"{report.rejected:,}")
    for reason, count in report.rejected_by_reason.items():
        table.add_row(f"  {reason}", f"{count:,}")
    table.add_row("events", f"{report.events:,}")
    table.add_section()
    _add_trading(table, report)
    table.add_section()
    _add_books(table, report)
    table.add_section()
    _add_speed(table, report)
    if report.checks:
        table.add_section()
        for check in report.checks:
            table.add_row(check.name, _verdict(check))
    console.print(table)
    _print_markets(console, report)
    if report.stopped_at is not None:
        console.print(f"Stopped after {report.stopped_at}.", markup=False)
    notes = [f"{check.name}: {check.note}" for check in report.checks if check.note]
    for remark in (*report.remarks, *notes):
        console.print(f"Note: {remark}.", markup=False)


def _title(report: Report) -> str:
    mode = "" if report.mode == "flow" else f", {report.mode}"
    return f"{report.path} ({report.format_name}{mode})"


def _add_trading(table: Table, report: Report) -> None:
    table.add_row("trades", f"{report.trades:,}")
    table.add_row("volume (lots)", f"{report.volume_lots:,}")
    vwap = "none" if report.vwap_ticks is None else decimal_text(report.vwap_ticks, 4)
    table.add_row("average price (VWAP, ticks)", vwap)
    table.add_row("last price (ticks)", _price(report.last_price))
    if report.spread is not None:
        spread = report.spread
        mean = decimal_text(spread.mean_ticks, 2)
        table.add_row("spread (ticks)", f"{mean} ({spread.min_ticks:,} to {spread.max_ticks:,})")


def _add_books(table: Table, report: Report) -> None:
    table.add_row("open orders at the end", f"{report.resting_orders:,}")
    table.add_row("best bid / best ask", f"{_price(report.best_bid)} / {_price(report.best_ask)}")
    table.add_row("trading state", report.state)
    table.add_row("state hash", f"{report.state_hash:016x}")
    if report.put_right:
        table.add_row("orders put right", f"{report.put_right:,}")


def _add_speed(table: Table, report: Report) -> None:
    table.add_row("book alone", f"{report.engine_rate:,.0f} commands/s")
    table.add_row("file to figures", f"{report.total_rate:,.0f} commands/s")
    if report.latency_ns:
        said = " / ".join(f"{report.latency_ns[name]:,}" for name in ("p50", "p99", "max"))
        table.add_row("one command, p50 / p99 / max", f"{said} ns")


def _print_markets(console: Console, report: Report) -> None:
    """The busiest markets, where there are several."""
    if len(report.markets) < 2:
        return
    table = Table()
    table.add_column("market", no_wrap=True)
    for name in ("trades", "volume", "open orders", "best bid", "best ask"):
        table.add_column(name, justify="right", no_wrap=True)
    for market in report.markets[:_MARKETS]:
        table.add_row(
            Text(market.name),
            f"{market.trades:,}",
            f"{market.volume_lots:,}",
            f"{market.resting_orders:,}",
            _price(market.best_bid),
            _price(market.best_ask),
        )
    console.print(table)
    left = len(report.markets) - _MARKETS
    if left > 0:
        console.print(f"Note: {left:,} more markets are not shown.", markup=False)


def _price(ticks: int | None) -> str:
    return "none" if ticks is None else f"{ticks:,}"


def _verdict(check: Check) -> str:
    share = f"{check.right / check.rows:.3%}" if check.rows else "none"
    return f"{check.right:,} of {check.rows:,} agree ({share})"
