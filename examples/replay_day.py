"""Replay a generated trading day and draw it: python replay_day.py [--picture day.png].

The day goes through the book in slices. After each slice the script looks at the best prices and
at the quantity near them; the trades come from the events. Only the picture needs matplotlib.
"""

import argparse
from typing import Any, NamedTuple

import numpy as np

import nextrade
from nextrade import CommandKind, OrderBook

SLICES = 400
LADDER_LEVELS = 12
NEAR_TICKS = 40
INK, QUIET, BID, ASK, AUCTION = "#1f2933", "#7b8794", "#2166ac", "#b2182b", "#8073ac"


class Day(NamedTuple):
    """What was seen of the book. Times in seconds after the first command, one a slice."""

    seconds: np.ndarray
    bids: np.ndarray
    asks: np.ndarray
    depth: np.ndarray
    """Visible lots, one row a price, one column a slice; asks are positive, bids negative."""
    lowest_ticks: int
    ladder: tuple[np.ndarray, np.ndarray]
    """Bids and asks of the best levels, half-way through the day."""
    trades: np.ndarray
    trade_seconds: np.ndarray


def cut(commands: np.ndarray) -> list[np.ndarray]:
    """The commands in slices of equal time, cut also at each change of the trading state."""
    times = commands["timestamp_ns"]
    marks = np.linspace(times[0], times[-1], SLICES + 1)[1:-1]
    states = np.isin(commands["kind"], [CommandKind.SET_STATE, CommandKind.UNCROSS])
    ends = np.union1d(np.searchsorted(times, marks), np.flatnonzero(states))
    return [part for part in np.split(commands, ends) if len(part)]


def watch(commands: np.ndarray) -> Day:
    """Run the commands through a new book, slice by slice."""
    book = OrderBook()
    start = int(commands["timestamp_ns"][0])
    parts = cut(commands)
    seconds, bids, asks, sides, happened = [], [], [], [], []
    ladder = book.depth(LADDER_LEVELS)
    for number, part in enumerate(parts):
        happened.append(nextrade.trades(book.process(part)))
        top = book.top()
        quiet = top.bid_ticks is None or top.ask_ticks is None or top.bid_ticks >= top.ask_ticks
        seconds.append((int(part["timestamp_ns"][-1]) - start) / 1e9)
        bids.append(np.nan if quiet else top.bid_ticks)
        asks.append(np.nan if quiet else top.ask_ticks)
        sides.append(book.depth(500))
        if number == len(parts) // 2:
            ladder = book.depth(LADDER_LEVELS)
    trades = np.concatenate(happened)
    lowest = int(np.nanmin(bids)) - NEAR_TICKS
    prices = np.arange(lowest, int(np.nanmax(asks)) + NEAR_TICKS + 1)
    depth = np.zeros((len(prices), len(parts)))
    for column, levels in enumerate(sides):
        for rows, sign in zip(levels, (-1, 1), strict=True):
            near = rows[(rows["price_ticks"] >= prices[0]) & (rows["price_ticks"] <= prices[-1])]
            depth[near["price_ticks"] - lowest, column] += sign * near["qty_lots"]
    trade_seconds = (trades["timestamp_ns"] - start) / 1e9
    return Day(
        np.array(seconds), np.array(bids), np.array(asks), depth, lowest, ladder,
        trades, trade_seconds,
    )  # fmt: skip


def draw(day: Day, title: str, file: str) -> None:
    """Write the picture: depth and price, volume below, the ladder of one moment beside it."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    mpl.rcParams |= {"font.size": 9, "text.color": INK, "axes.labelcolor": INK}
    mpl.rcParams |= {"axes.edgecolor": "#cbd2d9", "xtick.color": QUIET, "ytick.color": QUIET}
    figure = Figure(figsize=(11, 5.6), dpi=110, layout="constrained", facecolor="white")
    grid = figure.add_gridspec(2, 2, width_ratios=[3.3, 1], height_ratios=[3.2, 1])
    figure.suptitle(title, fontsize=12, fontweight="bold", x=0.008, ha="left")
    price = figure.add_subplot(grid[0, 0])
    draw_depth(price, day)
    draw_volume(figure.add_subplot(grid[1, 0], sharex=price), day)
    draw_ladder(figure.add_subplot(grid[:, 1]), day)
    for axes in figure.axes:
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(file)


def draw_depth(axes: Any, day: Day) -> None:
    """Resting quantity at each price as colour, best bid and ask as lines."""
    strength = np.sign(day.depth) * np.log1p(np.abs(day.depth))
    edges = np.concatenate([[0], day.seconds])
    rows = day.lowest_ticks - 0.5 + np.arange(len(day.depth) + 1)
    limit = np.abs(strength).max()
    axes.pcolormesh(edges, rows, strength, cmap="RdBu_r", vmin=-limit, vmax=limit, rasterized=True)
    axes.plot(day.seconds, day.asks, color=ASK, linewidth=1, label="best ask")
    axes.plot(day.seconds, day.bids, color=BID, linewidth=1, label="best bid")
    axes.set_ylabel("price in ticks")
    axes.yaxis.set_major_formatter("{x:,.0f}")
    axes.tick_params(labelbottom=False)
    axes.legend(loc="upper right", frameon=True, framealpha=0.9, edgecolor="none")
    axes.set_title("Resting quantity (darker: more) and best prices", loc="left", fontsize=10)


def draw_volume(axes: Any, day: Day) -> None:
    """Traded quantity over time, that of the auctions apart."""
    edges = np.linspace(0, day.seconds[-1], 121)
    for auction, colour, label in ((False, QUIET, "continuous"), (True, AUCTION, "auction")):
        chosen = day.trades["auction"] == auction
        lots, _ = np.histogram(
            day.trade_seconds[chosen], edges, weights=day.trades["qty_lots"][chosen]
        )
        axes.bar(edges[:-1], lots, width=edges[1], align="edge", color=colour, label=label)
    axes.set_yscale("log")
    axes.set_xlabel("seconds of market time")
    axes.set_ylabel("lots traded")
    axes.legend(loc="upper center", ncols=2, frameon=False)


def draw_ladder(axes: Any, day: Day) -> None:
    """The best levels of both sides half-way through the day."""
    for rows, colour in zip(day.ladder, (BID, ASK), strict=True):
        bars = axes.barh(rows["price_ticks"], rows["qty_lots"], height=0.8, color=colour, alpha=0.8)
        axes.bar_label(bars, padding=3, fontsize=7, color=INK)
    axes.set_xlabel("lots, visible")
    axes.yaxis.set_major_formatter("{x:,.0f}")
    axes.margins(x=0.15, y=0.02)
    axes.set_title("The ladder at half-time", loc="left", fontsize=10)


def main() -> None:
    """Generate, replay, say what came of it, and draw it if asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="day")
    parser.add_argument("--commands", type=int, default=1_000_000)
    parser.add_argument("--picture", metavar="FILE", help="a name that ends with .png or .svg")
    chosen = parser.parse_args()
    day = watch(nextrade.generate(chosen.model, chosen.commands))
    lots = day.trades["qty_lots"].sum()
    print(f"{chosen.commands:,} commands, {len(day.trades):,} trades, {lots:,} lots")
    if chosen.picture:
        title = f"A generated day: {chosen.commands:,} commands, {len(day.trades):,} trades"
        draw(day, title, chosen.picture)
        print(f"Drawn into {chosen.picture}")


if __name__ == "__main__":
    main()
