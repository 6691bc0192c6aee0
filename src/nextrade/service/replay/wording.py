"""A report in words: headed rows for a table or a page, and notes.

Where the file says what a tick is, prices are shown in units of its currency.
"""

from __future__ import annotations

from fractions import Fraction

from .report import Check, MarketFigures, Report, decimal_text

Rows = list[tuple[str, str]]
"""What, and how much."""

Sections = list[tuple[str, Rows]]
"""Headings, each with its rows."""


def sections_of(report: Report) -> Sections:
    """The figures under headings; those that say nothing are left out."""
    sections = [
        ("Flow", _flow(report)),
        ("Trading", _trading(report)),
        ("At the end", _end(report)),
        ("Speed", _speed(report)),
        ("Agreement", [(check.name, _verdict(check)) for check in report.checks]),
    ]
    return [(heading, rows) for heading, rows in sections if rows]


def notes_of(report: Report) -> list[str]:
    """What a user should know, a sentence each."""
    stopped = [] if report.stopped_at is None else [f"Stopped after {report.stopped_at}"]
    explained = [f"{check.name}: {check.note}" for check in report.checks if check.note]
    return [*stopped, *report.remarks, *explained]


def market_row(market: MarketFigures, report: Report) -> tuple[str, ...]:
    """Name, trades, volume, open orders, best bid and best ask of one of several markets."""
    return (
        market.name,
        f"{market.trades:,}",
        amount(market.volume_lots, report.qty_decimals),
        f"{market.resting_orders:,}",
        price(market.best_bid, report),
        price(market.best_ask, report),
    )


def price(ticks: int | None, report: Report) -> str:
    """A price as the currency has it, exactly; ``none`` for None."""
    return "none" if ticks is None else amount(ticks, report.price_decimals)


def amount(count: int, decimals: int) -> str:
    """So many steps of ``10**-decimals``, exactly, without zeros that say nothing."""
    return _decimal(Fraction(count, 10**decimals), decimals)


def _decimal(value: Fraction, decimals: int) -> str:
    whole, _, fraction = decimal_text(value, decimals).partition(".")
    fraction = fraction.rstrip("0")
    return f"{int(whole):,}.{fraction}" if fraction else f"{int(whole):,}"


def _flow(report: Report) -> Rows:
    rows = [("records", f"{report.messages:,}")] if report.messages else []
    rows.append(("commands", f"{report.commands:,}"))
    rows += [(f"  {kind}", f"{count:,}") for kind, count in report.commands_by_kind.items()]
    rows.append(("rejected", f"{report.rejected:,}"))
    rows += [(f"  {why}", f"{count:,}") for why, count in report.rejected_by_reason.items()]
    return [*rows, ("events", f"{report.events:,}")]


def _trading(report: Report) -> Rows:
    unit = "" if report.price_decimals else ", ticks"
    scale = 10**report.price_decimals
    vwap = "none" if report.vwap_ticks is None else _decimal(report.vwap_ticks / scale, 6)
    rows = [
        ("trades", f"{report.trades:,}"),
        ("volume", amount(report.volume_lots, report.qty_decimals)),
        (f"average price (VWAP{unit})", vwap),
    ]
    if len(report.markets) < 2:
        rows.append((f"last price{unit}", price(report.last_price, report)))
    if report.spread is not None:
        spread = report.spread
        mean = _decimal(spread.mean_ticks / scale, 6)
        least, most = price(spread.min_ticks, report), price(spread.max_ticks, report)
        rows.append((f"spread{unit}", f"{mean} ({least} to {most})"))
    return rows


def _end(report: Report) -> Rows:
    rows = [("open orders at the end", f"{report.resting_orders:,}")]
    if len(report.markets) < 2:
        both = f"{price(report.best_bid, report)} / {price(report.best_ask, report)}"
        rows.append(("best bid / best ask", both))
    rows += [("trading state", report.state), ("state hash", f"{report.state_hash:016x}")]
    if report.put_right:
        rows.append(("orders put right", f"{report.put_right:,}"))
    return rows


def _speed(report: Report) -> Rows:
    rows = [
        ("book alone", f"{report.engine_rate:,.0f} commands/s"),
        ("file to figures", f"{report.total_rate:,.0f} commands/s"),
    ]
    if report.latency_ns:
        said = " / ".join(f"{report.latency_ns[name]:,}" for name in ("p50", "p99", "max"))
        rows.append(("one command, p50 / p99 / max", f"{said} ns"))
    return rows


def _verdict(check: Check) -> str:
    share = f"{check.right / check.rows:.3%}" if check.rows else "none"
    return f"{check.right:,} of {check.rows:,} agree ({share})"
