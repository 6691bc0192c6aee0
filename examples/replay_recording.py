"""Replay a day, recorded or generated, and draw it: python replay_recording.py [RECORDING].

Whatever nextrade can read goes through a book: LOBSTER, Databento, B3, Bitstamp, ITCH, PITCH, or a
file of commands. On the way the script keeps samples of the book (best prices, spread, depth), the
trades, and how far the trades agree with the recorded ones. Without a file it generates a day with
call auctions at both ends. Only the picture (--picture FILE) needs matplotlib.
"""

import argparse
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import nextrade

COLUMNS, ROWS = 400, 200
LADDER_LEVELS = 12
INK, QUIET, BID, ASK, AUCTION = "#1f2933", "#7b8794", "#2166ac", "#b2182b", "#8073ac"


class Day(NamedTuple):
    """What was seen of one market."""

    name: str
    start_ns: int
    times_ns: np.ndarray
    """One a sample, as ``depth``."""
    depth: np.ndarray
    """Of nextrade.DEPTH_DTYPE, shape (samples, 2, levels): bids, then asks, best first."""
    trades: np.ndarray
    agreement: list[tuple[int, int, int]]
    """From time to time: when, how many comparisons so far, how many of them were right."""

    @property
    def tops(self) -> tuple[np.ndarray, np.ndarray]:
        """Best bids and asks, NaN while the book lacks a side or is crossed, as in an auction."""
        best = self.depth["price_ticks"][:, :, 0]
        # A level that is not there is all zeros.
        open_ = (best > 0).all(axis=1) & (best[:, 0] < best[:, 1])
        bids, asks = (np.where(open_, best[:, side], np.nan) for side in (0, 1))
        return bids, asks

    def seconds(self, times_ns: np.ndarray) -> np.ndarray:
        """Times as seconds after the first sample or trade."""
        return (times_ns - self.start_ns) / 1e9


def watch(replay: nextrade.Replay) -> Day:
    """Walk through the replay; what was seen of its busiest market."""
    samples: dict[int, list[Any]] = {}
    trades: dict[int, list[np.ndarray]] = {}
    agreement: list[tuple[int, int, int]] = []
    for step in replay:
        # A step belongs to one market. Its arrays are its own: they stay valid.
        samples.setdefault(step.market, []).append(step.samples)
        trades.setdefault(step.market, []).append(nextrade.trades(step.events))
        checks = replay.report().checks
        if checks and len(step.events):
            now_ns = int(step.events["timestamp_ns"][-1])
            agreement.append((now_ns, checks[0].rows, checks[0].right))
    if not samples:
        raise SystemExit("there is nothing in the file, or no such market")
    busiest = max(trades, key=lambda market: sum(map(len, trades[market])))
    times_ns = np.concatenate([seen.timestamp_ns for seen in samples[busiest]])
    depth = np.concatenate([seen.depth for seen in samples[busiest]])
    happened = np.concatenate(trades[busiest])
    firsts = [int(times[0]) for times in (times_ns, happened["timestamp_ns"]) if len(times)]
    name = replay.market_name(busiest)
    return Day(name, min(firsts, default=0), times_ns, depth, happened, agreement)


# --- the table -------------------------------------------------------------------------------


def show(day: Day, report: nextrade.Report) -> None:
    """Print the figures of the day."""
    bids, asks = day.tops
    spread = (asks - bids)[~np.isnan(bids)]
    lots = day.depth["qty_lots"].sum(axis=2).mean(axis=0) if len(day.depth) else (0, 0)
    auction = int(np.count_nonzero(day.trades["auction"]))
    rows = [
        ("records", f"{report.messages or report.commands:,}"),
        ("trades", f"{len(day.trades):,}"),
        ("  in call auctions", f"{auction:,}"),
        ("lots traded", f"{sum(day.trades['qty_lots'].tolist()):,}"),
        ("samples of the book", f"{len(day.depth):,}"),
        ("spread in ticks, mean", f"{spread.mean():,.2f}" if len(spread) else "none"),
        ("spread in ticks, widest", f"{spread.max():,.0f}" if len(spread) else "none"),
        ("lots in the levels, bids", f"{lots[0]:,.0f}"),
        ("lots in the levels, asks", f"{lots[1]:,.0f}"),
    ]
    rows += [(check.name, f"{check.right:,} of {check.rows:,}") for check in report.checks]
    print(f"{day.name}, replayed in mode {report.mode}")
    for name, value in rows:
        print(f"  {name:<52} {value:>18}")
    for remark in report.remarks:
        print(f"  Note: {remark}")


# --- the picture -----------------------------------------------------------------------------


def draw(day: Day, title: str, file: str) -> None:
    """Write the picture: depth and prices, what goes with them below, a ladder beside."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    mpl.rcParams |= {"font.size": 9, "text.color": INK, "axes.labelcolor": INK}
    mpl.rcParams |= {"axes.edgecolor": "#cbd2d9", "xtick.color": QUIET, "ytick.color": QUIET}
    below = [draw_spread, draw_volume] + ([draw_agreement] if day.agreement else [])
    heights = [3.2, *[1] * len(below)]
    figure = Figure(
        figsize=(11, 4 + 1.2 * len(below)), dpi=110, layout="constrained", facecolor="white"
    )
    grid = figure.add_gridspec(len(heights), 2, width_ratios=[3.3, 1], height_ratios=heights)
    figure.suptitle(title, fontsize=12, fontweight="bold", x=0.008, ha="left")
    price = figure.add_subplot(grid[0, 0])
    draw_depth(price, day)
    price.tick_params(labelbottom=False)
    for row, panel in enumerate(below, start=1):
        axes = figure.add_subplot(grid[row, 0], sharex=price)
        panel(axes, day)
        axes.tick_params(labelbottom=row == len(below))
    axes.set_xlabel("seconds of market time")
    draw_ladder(figure.add_subplot(grid[:, 1]), day)
    for axes in figure.axes:
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(file)


def draw_depth(axes: Any, day: Day) -> None:
    """Resting quantity at each price as colour, best bid and ask as lines."""
    chosen = np.unique(np.linspace(0, len(day.depth) - 1, COLUMNS).astype(np.int64))
    bids, asks = day.tops
    middle = (bids + asks) / 2
    low, high = np.nanquantile(middle, [0.002, 0.998])
    room = max(0.25 * (high - low), 4 * np.nanmedian(asks - bids))
    grid = int(np.gcd.reduce(np.unique(day.depth["price_ticks"]))) or 1
    height = grid * max(1, int(2 * room + high - low) // (ROWS * grid))
    edges = np.arange((low - room) // grid * grid - grid / 2, high + room + height, height)
    lots = np.zeros((len(edges) - 1, len(chosen)))
    for column, at in enumerate(chosen):
        for sign, levels in zip((-1, 1), day.depth[at], strict=True):
            there = levels[levels["orders"] > 0]
            rows = np.searchsorted(edges, there["price_ticks"]) - 1
            near = (rows >= 0) & (rows < len(lots))
            np.add.at(lots[:, column], rows[near], sign * there["qty_lots"][near])
    strength = np.sign(lots) * np.log1p(np.abs(lots))
    limit = np.abs(strength).max() or 1
    seconds = day.seconds(day.times_ns)
    axes.pcolormesh(
        seconds[chosen], (edges[1:] + edges[:-1]) / 2, strength, cmap="RdBu_r",
        vmin=-limit, vmax=limit, rasterized=True, shading="nearest",
    )  # fmt: skip
    axes.plot(seconds, asks, color=ASK, linewidth=0.8, label="best ask")
    axes.plot(seconds, bids, color=BID, linewidth=0.8, label="best bid")
    axes.set_ylim(edges[0], edges[-1])
    axes.set_ylabel("price in ticks")
    axes.yaxis.set_major_formatter("{x:,.0f}")
    axes.legend(loc="upper right", frameon=True, framealpha=0.9, edgecolor="none")
    axes.set_title("Resting quantity (darker: more) and best prices", loc="left", fontsize=10)


def draw_spread(axes: Any, day: Day) -> None:
    """Best ask minus best bid."""
    bids, asks = day.tops
    axes.plot(day.seconds(day.times_ns), asks - bids, color=QUIET, linewidth=0.6)
    axes.set_ylabel("spread, ticks")
    axes.set_ylim(0, 1.3 * np.nanquantile(asks - bids, 0.99))


def draw_volume(axes: Any, day: Day) -> None:
    """Traded quantity over time, that of auctions apart."""
    seconds = day.seconds(day.trades["timestamp_ns"])
    edges = np.linspace(0, day.seconds(day.times_ns[-1:])[0], 121)
    for auction, colour, label in ((False, QUIET, "continuous"), (True, AUCTION, "auction")):
        chosen = day.trades["auction"] == auction
        if chosen.any():
            lots, _ = np.histogram(seconds[chosen], edges, weights=day.trades["qty_lots"][chosen])
            axes.bar(edges[:-1], lots, width=edges[1], align="edge", color=colour, label=label)
    axes.set_yscale("log")
    axes.set_ylabel("lots traded")
    if day.trades["auction"].any():
        axes.legend(loc="upper center", ncols=2, frameon=False)


def draw_agreement(axes: Any, day: Day) -> None:
    """The share of comparisons with the recording that were right, from time to time."""
    times_ns, rows, right = np.array(day.agreement).T
    new, good = np.diff(rows, prepend=0), np.diff(right, prepend=0)
    some = new > 0
    axes.step(day.seconds(times_ns[some]), good[some] / new[some], color=BID, where="pre")
    axes.set_ylim(0, 1.05)
    axes.set_ylabel("agreement")


def draw_ladder(axes: Any, day: Day) -> None:
    """The best levels of both sides half-way through the day."""
    for levels, colour in zip(day.depth[len(day.depth) // 2], (BID, ASK), strict=True):
        there = levels[levels["orders"] > 0][:LADDER_LEVELS]
        steps = np.diff(np.sort(there["price_ticks"]))
        height = 0.8 * (steps.min() if len(steps) else 1)
        bars = axes.barh(
            there["price_ticks"], there["qty_lots"], height=height, color=colour, alpha=0.8
        )
        axes.bar_label(bars, padding=3, fontsize=7, color=INK)
    axes.set_xlabel("lots, visible")
    axes.yaxis.set_major_formatter("{x:,.0f}")
    axes.margins(x=0.15, y=0.02)
    axes.set_title("The ladder at half-time", loc="left", fontsize=10)


def main() -> None:
    """Replay, print the figures and, if asked, draw them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("recording", nargs="?", type=Path, help="default: a generated day")
    parser.add_argument("--market", help="one of several in the file; default: the busiest")
    parser.add_argument("--mode", choices=("match", "guided", "rebuild"), help="default: match")
    parser.add_argument("--every", default="", help="records between samples, or 100ms, 1s, ...")
    parser.add_argument("--levels", type=int, default=30, help="price levels in a sample")
    parser.add_argument("--commands", type=int, default=200_000, help="of the generated day")
    parser.add_argument("--picture", metavar="FILE", help="a name that ends with .png or .svg")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = chosen.recording
        if path is None:
            path = Path(folder, "generated.npy")
            np.save(path, nextrade.generate("day", chosen.commands))
        replay = nextrade.Replay(
            path,
            mode=chosen.mode,
            market=chosen.market,
            levels=chosen.levels,
            sample_every=chosen.every,
            batch=5_000,
        )
        day = watch(replay)
        report = replay.report()
    if chosen.recording is None:
        day = day._replace(name="A generated day")
    show(day, report)
    if chosen.picture:
        records = report.messages or report.commands
        draw(day, f"{day.name}: {records:,} records, {len(day.trades):,} trades", chosen.picture)
        print(f"Drawn into {chosen.picture}")
    else:
        print("For a picture: pip install matplotlib, and --picture day.png")


if __name__ == "__main__":
    try:
        main()
    except nextrade.DataError as error:
        raise SystemExit(str(error)) from error
