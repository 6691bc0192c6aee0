"""The report of a replay as a table on standard output.

Where the file says what a tick is, prices are shown in units of its currency.
"""

from __future__ import annotations

from fractions import Fraction

from rich.console import Console
from rich.table import Table
from rich.text import Text

from ..service.replay.report import Check, Report, decimal_text

_PLAIN_WIDTH = 100
_MARKETS = 10


def print_summary(report: Report) -> None:
    """Print the figures of a replay."""
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
    unit = "" if report.price_decimals else ", ticks"
    table.add_row("trades", f"{report.trades:,}")
    table.add_row("volume", _amount(report.volume_lots, report.qty_decimals))
    scale = 10**report.price_decimals
    vwap = report.vwap_ticks
    table.add_row(
        f"average price (VWAP{unit})", "none" if vwap is None else _decimal(vwap / scale, 6)
    )
    table.add_row(f"last price{unit}", _price(report.last_price, report))
    if report.spread is not None:
        spread = report.spread
        mean = _decimal(spread.mean_ticks / scale, 6)
        least, most = _price(spread.min_ticks, report), _price(spread.max_ticks, report)
        table.add_row(f"spread{unit}", f"{mean} ({least} to {most})")


def _add_books(table: Table, report: Report) -> None:
    table.add_row("open orders at the end", f"{report.resting_orders:,}")
    if len(report.markets) < 2:
        bid, ask = _price(report.best_bid, report), _price(report.best_ask, report)
        table.add_row("best bid / best ask", f"{bid} / {ask}")
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
            _amount(market.volume_lots, report.qty_decimals),
            f"{market.resting_orders:,}",
            _price(market.best_bid, report),
            _price(market.best_ask, report),
        )
    console.print(table)
    left = len(report.markets) - _MARKETS
    if left > 0:
        console.print(f"Note: {left:,} more markets are not shown.", markup=False)


def _price(ticks: int | None, report: Report) -> str:
    return "none" if ticks is None else _amount(ticks, report.price_decimals)


def _amount(count: int, decimals: int) -> str:
    """So many steps of ``10**-decimals``, exactly, without zeros that say nothing."""
    return _decimal(Fraction(count, 10**decimals), decimals)


def _decimal(value: Fraction, decimals: int) -> str:
    whole, _, fraction = decimal_text(value, decimals).partition(".")
    fraction = fraction.rstrip("0")
    return f"{int(whole):,}.{fraction}" if fraction else f"{int(whole):,}"


def _verdict(check: Check) -> str:
    share = f"{check.right / check.rows:.3%}" if check.rows else "none"
    return f"{check.right:,} of {check.rows:,} agree ({share})"
