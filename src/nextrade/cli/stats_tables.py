"""The statistics of a file as tables on standard output."""

from __future__ import annotations

from fractions import Fraction

from rich.console import Console
from rich.table import Table
from rich.text import Text

from ..service.replay.clock import span_text, time_text
from ..service.replay.stats import FileStats
from .amounts import Amounts

_PLAIN_WIDTH = 100


def print_stats(stats: FileStats) -> None:
    """Print what is in a file."""
    console = Console(highlight=False)
    if not console.is_terminal:  # in a file or a pipe the width of no terminal matters
        console = Console(highlight=False, width=_PLAIN_WIDTH)
    packed = f", {stats.packed}" if stats.packed else ""
    head = Text(f"{stats.path} ({stats.format_name}{packed}, {_bytes(stats)})")
    console.print(head, soft_wrap=True)  # Text: names are not markup
    amounts = _amounts(stats)
    console.print(_figures(stats, amounts))
    console.print(_markets_line(stats))
    console.print(_markets(stats, amounts))
    for remark in stats.remarks:
        console.print(f"Note: {remark}.", markup=False)


def _bytes(stats: FileStats) -> str:
    size, unit = Fraction(stats.bytes_on_disk), "bytes"
    for larger in ("KiB", "MiB", "GiB", "TiB"):
        if size < 1024:
            break
        size, unit = size / 1024, larger
    return f"{int(size):,} {unit}" if unit == "bytes" else f"{float(size):.1f} {unit}"


def _amounts(stats: FileStats) -> Amounts:
    prices = [stats.sizes.lowest_ticks, stats.sizes.highest_ticks]
    for market in stats.busiest:
        prices += [market.low_ticks, market.high_ticks]
    sizes = [stats.sizes.least_lots, stats.sizes.most_lots, stats.volume_lots, stats.hidden_lots]
    sizes += [market.volume_lots for market in stats.busiest]
    return Amounts(
        [price for price in prices if price is not None],
        [size for size in sizes if size is not None],
        stats.price_decimals,
        stats.qty_decimals,
    )


def _figures(stats: FileStats, amounts: Amounts) -> Table:
    table = Table()
    table.add_column("what", no_wrap=True)
    table.add_column("how much", justify="right", overflow="fold")
    what = "commands" if stats.is_flow else "records"
    table.add_row(what, f"{stats.records:,}")
    for kind, count in stats.kinds.items():
        table.add_row(f"  {kind}", f"{count:,}")
    if stats.is_flow and stats.order_types:
        table.add_section()
        for kind, count in stats.order_types.items():
            table.add_row(f"new orders, {kind}", f"{count:,}")
    table.add_section()
    _add_times(table, stats, what)
    table.add_section()
    _add_orders(table, stats, amounts)
    if not stats.is_flow:
        table.add_section()
        _add_executions(table, stats, amounts)
    return table


def _add_times(table: Table, stats: FileStats, what: str) -> None:
    times = stats.times
    if times.first_ns is None or times.last_ns is None:
        table.add_row("time", "none")
        return
    table.add_row("first", time_text(times.first_ns).replace("T", " "))
    table.add_row("last", time_text(times.last_ns).replace("T", " "))
    table.add_row("span", span_text(times.last_ns - times.first_ns))
    if times.busiest_second_ns is not None:
        second = time_text(times.busiest_second_ns).replace("T", " ")
        table.add_row(f"busiest second, {what}", f"{times.busiest_second_records:,} at {second}")
    table.add_row("gaps of more than a minute", f"{times.gaps:,}")
    if times.longest_gap_from_ns is not None:
        start = time_text(times.longest_gap_from_ns).replace("T", " ")
        table.add_row("  the longest", f"{span_text(times.longest_gap_ns)} from {start}")
    table.add_row("times that step back", f"{times.steps_back:,}")


def _add_orders(table: Table, stats: FileStats, amounts: Amounts) -> None:
    sizes = stats.sizes
    if stats.starting_orders:
        table.add_row("records of the starting book", f"{stats.starting_orders:,}")
    table.add_row("new orders", f"{sizes.orders:,}")
    if (
        sizes.least_lots is not None
        and sizes.median_lots is not None
        and sizes.most_lots is not None
    ):
        three = (sizes.least_lots, sizes.median_lots, sizes.most_lots)
        shown = " / ".join(amounts.quantity(lots) for lots in three)
        table.add_row("  size: least / median / most", shown)
    if sizes.lowest_ticks is not None and sizes.highest_ticks is not None:
        prices = f"{amounts.price(sizes.lowest_ticks)} to {amounts.price(sizes.highest_ticks)}"
        table.add_row("  prices", prices)
    table.add_row(
        "cancels, whole or in part", f"{stats.cancels:,} ({100 * stats.cancel_share:.1f} %)"
    )
    if stats.unknown_orders is not None:
        table.add_row("orders named that never came", f"{stats.unknown_orders:,}")


def _add_executions(table: Table, stats: FileStats, amounts: Amounts) -> None:
    table.add_row("executions", f"{stats.executions:,}")
    table.add_row("hidden executions", f"{stats.hidden_executions:,}")
    table.add_row("volume, hidden too", amounts.quantity(stats.volume_lots))
    if stats.hidden_lots:
        table.add_row("  hidden alone", amounts.quantity(stats.hidden_lots))
    if stats.auction_orders or stats.auction_executions:
        table.add_row("orders for an auction alone", f"{stats.auction_orders:,}")
        table.add_row("messages of auction trades", f"{stats.auction_executions:,}")
    if stats.depth_rows:
        table.add_row("recorded rows of levels", f"{stats.depth_rows:,}")
        table.add_row("  levels of each side", f"{stats.depth_levels:,}")


def _markets_line(stats: FileStats) -> str:
    count = f"{stats.markets:,} markets" if stats.markets != 1 else "1 market"
    more = f", the {len(stats.busiest)} busiest" if stats.markets > len(stats.busiest) else ""
    return f"{count}{more}"


def _markets(stats: FileStats, amounts: Amounts) -> Table:
    table = Table()
    table.add_column("market", overflow="fold")
    columns = ["records", "new orders"]
    if not stats.is_flow:
        columns += ["executions", "volume", "traded prices"]
    else:
        columns += ["ordered prices"]
    for name in columns:
        table.add_column(name, justify="right")
    for market in stats.busiest:
        cells = [f"{market.records:,}", f"{market.added:,}"]
        if not stats.is_flow:
            executions = market.executions + market.hidden
            cells += [f"{executions:,}", amounts.quantity(market.volume_lots)]
        if market.low_ticks is None or market.high_ticks is None:
            cells.append("none")
        elif market.low_ticks == market.high_ticks:
            cells.append(amounts.price(market.low_ticks))
        else:
            cells.append(f"{amounts.price(market.low_ticks)} to {amounts.price(market.high_ticks)}")
        table.add_row(Text(market.name), *cells)
    return table
