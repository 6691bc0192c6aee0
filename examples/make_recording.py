"""Write a small made-up recording: python make_recording.py [FOLDER].

The other examples use it when they are given no recording of their own. A generated flow goes
through a book, and what the book did is written down as an exchange would tell it: in the form
of a LOBSTER message file, one line for each thing that happened to an order that could be seen.
Such a file says which resting orders were hit and not who hit them.
"""

import argparse
from pathlib import Path

import numpy as np

import nextrade
from nextrade import CommandKind, EventKind, OrderBook, OrderType, PostOnly, Side, TimeInForce

NEW, REDUCED, DELETED, EXECUTED = 1, 2, 3, 4
PLAIN = (CommandKind.PLACE, CommandKind.CANCEL, CommandKind.REDUCE)
HUNDREDTH = 100
"""LOBSTER counts in 1/10,000 USD, and a share moves by whole cents: 100 of these."""


def plain_flow(commands: int, seed: int, seconds: int) -> np.ndarray:
    """Generated commands that a message file can tell of, spread over some seconds.

    Left out are icebergs, stops, orders by amount and call auctions: what hides cannot be recorded.
    """
    flow = nextrade.generate("day", commands, seed=seed)
    plain = np.isin(flow["kind"], PLAIN)
    places = flow["kind"] == CommandKind.PLACE
    plain &= ~places | (
        np.isin(flow["order_type"], (OrderType.LIMIT, OrderType.MARKET))
        & np.isin(flow["time_in_force"], (TimeInForce.GTC, TimeInForce.IOC))
        & (flow["display_lots"] == 0)
        & (flow["quote_amount"] == 0)
        & (flow["post_only"] == PostOnly.NO)
    )
    flow = flow[plain]
    flow["price_ticks"] *= HUNDREDTH
    # A second command within one nanosecond would look like a part of the first.
    times = flow["timestamp_ns"] - flow["timestamp_ns"][0]
    stretch = max(1, seconds * 10**9 // max(1, int(times[-1])))
    flow["timestamp_ns"] = 34_200 * 10**9 + times * stretch + np.arange(len(flow))
    return flow


def lines_of(flow: np.ndarray) -> list[str]:
    """What a book does with the flow, as lines of a message file."""
    events = OrderBook().process(flow)
    lines: list[str] = []

    def write(event: np.void, kind: int, order_id: int, lots: int, price: int, side: int) -> None:
        second, ns = divmod(int(event["timestamp_ns"]), 10**9)
        direction = 1 if side == Side.BUY else -1
        lines.append(f"{second}.{ns:09d},{kind},{order_id},{lots},{price},{direction}\n")

    # Events of one command follow one another: ACCEPTED first, then its trades, then what became
    # of the rest. An order is written as new only with what came to rest.
    resting = np.zeros(int(flow["order_id"].max()) + 1, dtype=np.bool_)
    cuts = np.flatnonzero(np.diff(events["command"])) + 1
    for together in np.split(events, cuts):
        taker = None
        for event in together:
            kind, side = int(event["kind"]), int(event["side"])
            order_id, lots, price = (
                int(event[name]) for name in ("order_id", "qty_lots", "price_ticks")
            )
            if kind == EventKind.ACCEPTED:
                taker, left = event, lots
            elif kind == EventKind.TRADE:
                left = int(event["leaves_lots"])
                maker_side = Side.SELL if side == Side.BUY else Side.BUY
                write(event, EXECUTED, int(event["maker_id"]), lots, price, maker_side)
            elif kind == EventKind.CANCELED and resting[order_id]:
                write(event, DELETED, order_id, lots, price, side)
            elif kind == EventKind.CANCELED:  # the rest of an order that may not wait
                left = 0
            elif kind == EventKind.REDUCED:
                write(event, REDUCED, order_id, lots, price, side)
        if taker is not None and left:
            resting[int(taker["order_id"])] = True
            price = int(taker["price_ticks"])
            write(taker, NEW, int(taker["order_id"]), left, price, int(taker["side"]))
    return lines


def make_recording(
    folder: Path | str, commands: int = 12_000, seed: int = 1, seconds: int = 1800
) -> Path:
    """Write the recording into a folder; half an hour of a busy stock. Returns its path."""
    path = Path(folder) / "MADEUP_message_10.csv"
    path.write_text("".join(lines_of(plain_flow(commands, seed, seconds))), encoding="ascii")
    return path


def main() -> None:
    """Write a recording where the caller wants it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", default=".")
    parser.add_argument("--commands", type=int, default=12_000)
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    path = make_recording(chosen.folder, chosen.commands, chosen.seed)
    report = nextrade.replay(path)
    print(f"{path}: {report.messages:,} messages, {report.trades:,} trades")
    for check in report.checks:
        print(f"{check.name}: {check.right:,} of {check.rows:,}")


if __name__ == "__main__":
    main()
