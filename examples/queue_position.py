"""Measure what a place in the queue is worth: python queue_position.py [RECORDING].

Every so many messages an order of one lot joins the best bid, behind all that waits there, and is
taken out again if nothing came of it for some time. How often does it trade, how soon, and how
does that depend on what stood ahead? Two ways to find out:

(a) on paper: the recording is only repeated. For each order that stood ahead the recorded
    messages tell when it left or was hit; ours would have traded as soon as an execution reached
    an order behind it.
(b) for real: an agent sends the same orders into the matching, where they stand in the way.

Only the picture (--picture FILE) needs matplotlib.
"""

import argparse
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from make_recording import make_recording

import nextrade
from nextrade import (
    AGENT_IDS,
    AGENT_OWNER,
    COMMAND_DTYPE,
    CommandKind,
    MessageAction,
    MessageFlag,
    OrderBook,
    Side,
)

BUCKETS = 5
SECOND = 1_000_000_000


@dataclass
class Placed:
    """One order of one lot: where it joined, and what came of it."""

    number: int
    price_ticks: int
    entered_ns: int
    ahead_lots: int
    """What stood ahead of it when it joined the queue."""
    filled_ns: int | None = None
    ended: bool = False
    """Filled, or taken out since its time was over."""
    ahead: dict[int, int] = field(default_factory=dict)
    """On paper alone: the lots that each order ahead still has, by id."""


def best_bid(book: OrderBook) -> int | None:
    """The best bid of a book that trades: one of two sides, not crossed."""
    top = book.top()
    if top.bid_ticks is None or top.ask_ticks is None or top.bid_ticks >= top.ask_ticks:
        return None
    return top.bid_ticks


# --- (a) on paper ----------------------------------------------------------------------------


def on_paper(path: Path, market: str | None, every: int, patience_ns: int) -> list[Placed]:
    """Follow what stands ahead of each order through the recorded messages."""
    replay = nextrade.Replay(path, mode="rebuild", market=market, batch=every)
    placed: list[Placed] = []
    waiting: list[Placed] = []
    for step in replay:
        now_ns = int(step.messages["timestamp_ns"][-1])
        for order in waiting:
            follow(order, step.messages)
            if not order.ended and now_ns - order.entered_ns >= patience_ns:
                order.ended = True
        waiting = [order for order in waiting if not order.ended]
        # Between two steps the book stands still: what is at the best bid now is ahead of us.
        book = replay.books[replay.market_name(step.market)]
        price = best_bid(book)
        if price is not None:
            orders = book.orders()
            queue = orders[(orders["side"] == Side.BUY) & (orders["price_ticks"] == price)]
            ahead = dict(
                zip(queue["order_id"].tolist(), queue["visible_lots"].tolist(), strict=True)
            )
            order = Placed(len(placed), price, now_ns, sum(ahead.values()), ahead=ahead)
            placed.append(order)
            waiting.append(order)
    return placed


def follow(order: Placed, messages: np.ndarray) -> None:
    """Let some recorded messages happen to the queue in front of one order."""
    # A few messages in a thousand matter to it; NumPy finds these, Python looks at them.
    bids = messages["side"] == Side.BUY
    prices = messages["price_ticks"]
    fills = messages["action"] == MessageAction.FILL
    comes = np.isin(messages["action"], np.array([MessageAction.ADD, MessageAction.REPLACE]))
    matters = np.isin(messages["order_id"], np.array(list(order.ahead), dtype=np.uint64))
    matters |= fills & bids & (prices <= order.price_ticks)
    matters |= comes & ~bids & (prices <= order.price_ticks)
    matters |= messages["action"] == MessageAction.CLEAR
    # What a FILL did is told once more by some recordings; an order's own fill is not a maker's.
    told = MessageFlag.RESTATES | MessageFlag.AGGRESSOR
    matters &= messages["flags"] & np.uint16(told) == 0
    for message in messages[matters]:
        if reached(order, message):
            order.filled_ns = int(message["timestamp_ns"])
            order.ended = True
            return


def reached(order: Placed, message: np.void) -> bool:
    """Take in one message; whether our order would have traded."""
    action, order_id = int(message["action"]), int(message["order_id"])
    if action == MessageAction.CLEAR:
        order.ahead.clear()
        return False
    if message["side"] == Side.SELL:  # it came to rest at our price: it would have met us
        return action in (MessageAction.ADD, MessageAction.REPLACE)
    left = order.ahead.pop(order_id, None)
    if left is None:
        return action == MessageAction.FILL  # of an order behind us, or at a worse price
    if action == MessageAction.CANCEL:
        return False
    lost, leaves = int(message["qty_lots"]), int(message["leaves_lots"])
    if action == MessageAction.REPLACE:
        # A change keeps the place only at the same price and for no more than before.
        keeps = message["price_ticks"] == order.price_ticks and lost <= left
        left = lost if keeps else 0
    else:
        left = leaves if leaves >= 0 else left - lost
    if left > 0:
        order.ahead[order_id] = left
    return False


# --- (b) for real ----------------------------------------------------------------------------


class Joiner:
    """An agent that joins the best bid after each batch, and leaves when its time is over."""

    def __init__(self, patience_ns: int) -> None:
        self.placed: list[Placed] = []
        self._patience_ns = patience_ns

    def __call__(self, view: nextrade.View) -> np.ndarray | None:
        """Take note of fills, take out what waited too long, place the next order."""
        for fill in view.fills:
            mine = "maker_id" if fill["maker_owner"] == AGENT_OWNER else "order_id"
            order = self.placed[int(fill[mine]) - AGENT_IDS]
            order.filled_ns = int(fill["timestamp_ns"])
            order.ended = True
        leave = [
            order
            for order in self.placed
            if not order.ended and view.now_ns - order.entered_ns >= self._patience_ns
        ]
        commands = np.zeros(len(leave) + 1, dtype=COMMAND_DTYPE)
        for command, order in zip(commands, leave, strict=False):
            command["kind"] = CommandKind.CANCEL
            command["order_id"] = AGENT_IDS + order.number
            order.ended = True
        price = best_bid(view.book)
        if price is None:
            return commands[:-1]
        (bids, _) = view.book.depth(1)
        number = len(self.placed)
        # Own orders that wait here already count as well: they do stand ahead.
        self.placed.append(Placed(number, price, view.now_ns, int(bids["qty_lots"][0])))
        commands[-1]["kind"] = CommandKind.PLACE
        commands[-1]["order_id"] = AGENT_IDS + number
        commands[-1]["side"] = Side.BUY
        commands[-1]["price_ticks"] = price
        commands[-1]["qty_lots"] = 1
        return commands


def for_real(
    path: Path, market: str | None, every: int, patience_ns: int, mode: str = "match"
) -> tuple[list[Placed], int]:
    """Send the orders into the matching. Returns them, and how many fills the events tell of."""
    joiner = Joiner(patience_ns)
    replay = nextrade.Replay(path, mode=mode, market=market, agent=joiner, batch=every)
    fills = 0
    for step in replay:
        trades = nextrade.trades(step.events)
        mine = (trades["maker_owner"] == AGENT_OWNER) | (trades["taker_owner"] == AGENT_OWNER)
        fills += int(np.count_nonzero(mine))
    return joiner.placed, fills


# --- what came of it -------------------------------------------------------------------------


def buckets(placed: list[Placed]) -> list[int]:
    """Upper ends of a few classes of lots ahead that hold about as many orders each."""
    ahead = [order.ahead_lots for order in placed]
    marks = np.quantile(ahead, np.linspace(0, 1, BUCKETS + 1)[1:]) if ahead else []
    return sorted({int(mark) for mark in marks})


def classes(placed: list[Placed], ends: list[int]) -> Iterator[tuple[str, list[Placed]]]:
    """The orders of each class, with its name; the last class has no upper end."""
    low = 0
    for number, end in enumerate(ends):
        last = number == len(ends) - 1
        inside = [o for o in placed if low <= o.ahead_lots and (last or o.ahead_lots <= end)]
        yield (f"{low:,} or more" if last else f"{low:,} to {end:,}"), inside
        low = end + 1


def figures(placed: list[Placed]) -> tuple[int, int, float, float]:
    """How many orders, how many of them filled, the share, and the median seconds to the fill."""
    took = [(o.filled_ns - o.entered_ns) / SECOND for o in placed if o.filled_ns is not None]
    share = len(took) / len(placed) if placed else float("nan")
    return len(placed), len(took), share, float(np.median(took)) if took else float("nan")


def show(paper: list[Placed], real: list[Placed], ends: list[int]) -> None:
    """Print both measurements side by side."""
    print(f"{'lots ahead':>18} | {'on paper (a)':^33} | {'for real (b)':^33}")
    columns = f"{'placed':>7} {'filled':>7} {'share':>7} {'median s':>9}"
    print(f"{'':>18} | {columns} | {columns}")
    rows = zip(classes(paper, ends), classes(real, ends), strict=True)
    named = [(name, left, right) for (name, left), (_, right) in rows]
    for name, left, right in [*named, ("all", paper, real)]:
        cells = [
            f"{count:>7,} {filled:>7,} {share:>7.1%} {median:>9.3f}"
            for count, filled, share, median in (figures(left), figures(right))
        ]
        print(f"{name:>18} | {' | '.join(cells)}")


def draw(paper: list[Placed], real: list[Placed], ends: list[int], file: str) -> None:
    """Probability of a fill by lots ahead, and how soon the fills came."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 4), dpi=110, layout="constrained", facecolor="white")
    axes: Any = figure.subplots(1, 2)
    for number, (placed, label, colour) in enumerate(
        ((paper, "on paper", "#7b8794"), (real, "for real", "#2166ac"))
    ):
        named = list(classes(placed, ends))
        places = np.arange(len(named)) + (number - 0.5) * 0.4
        shares = [figures(inside)[2] for _, inside in named]
        axes[0].bar(places, shares, width=0.38, color=colour, label=label)
        axes[0].set_xticks(np.arange(len(named)), [name for name, _ in named], fontsize=8)
        took = sorted(
            (o.filled_ns - o.entered_ns) / SECOND for o in placed if o.filled_ns is not None
        )
        if took:
            reached_by = np.arange(1, len(took) + 1) / len(placed)
            axes[1].step(took, reached_by, where="post", color=colour, label=label)
    axes[0].set(xlabel="lots ahead on entry", ylabel="share filled", ylim=(0, 1))
    axes[0].set_title("How often it trades", loc="left")
    axes[1].set(xlabel="seconds after entry", ylabel="share filled by then")
    axes[1].set_title("How soon", loc="left")
    for one in axes:
        one.spines[["top", "right"]].set_visible(False)
        one.legend(frameon=False)
    figure.savefig(file)


WHY = """\
Why the two differ: on paper our lot is invisible. For real it takes a lot that a recorded order
got, so that order waits on; it stands ahead of our own next order; and once recorded orders were
moved so, the queues are not quite the recorded ones any more. A recorded aggressor trades at most
what it traded then. What neither way can show is how others would have answered to our order."""


def main() -> None:
    """Measure both ways, print the table and, if asked, draw it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("recording", nargs="?", type=Path, help="default: a made-up one")
    parser.add_argument("--market", help="one of several in the file, by its name")
    parser.add_argument("--every", type=int, default=100, help="messages between two orders")
    parser.add_argument("--patience", type=int, default=60, help="seconds that an order waits")
    parser.add_argument("--mode", choices=("match", "guided"), default="match", help="of way (b)")
    parser.add_argument("--picture", metavar="FILE", help="a name that ends with .png or .svg")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = chosen.recording or make_recording(folder)
        patience_ns = chosen.patience * SECOND
        paper = on_paper(path, chosen.market, chosen.every, patience_ns)
        real, fills = for_real(path, chosen.market, chosen.every, patience_ns, chosen.mode)
    if not paper:
        raise SystemExit("nothing was placed: no market with two sides, or --every is too large")
    ends = buckets(paper)
    print(f"One lot joins the best bid of {path.name} every {chosen.every:,} messages.\n")
    show(paper, real, ends)
    print(f"\nfills of the agent in the events: {fills:,}\n\n{WHY}")
    if chosen.picture:
        draw(paper, real, ends, chosen.picture)
        print(f"\nDrawn into {chosen.picture}")
    else:
        print("\nFor a picture: pip install matplotlib, and --picture queue.png")


if __name__ == "__main__":
    try:
        main()
    except nextrade.DataError as error:
        raise SystemExit(str(error)) from error
