"""Sends a workload through an order book and adds up what its events say."""

from __future__ import annotations

import gc
from time import thread_time_ns

import numpy as np
import numpy.typing as npt

from nextrade import OrderBook
from nextrade.dtypes import EVENT_DTYPE
from nextrade.enums import EventKind, Side

from .workloads import Expectation

__all__ = ["batches", "events_of", "outcome", "seconds"]

Records = npt.NDArray[np.void]
Whole = npt.NDArray[np.int64]

CHECKSUM_START = 1469598103934665603
CHECKSUM_PRIME = 1099511628211
WORD = (1 << 64) - 1


def batches(commands: Records, size: int) -> list[Records]:
    """``commands`` cut into views of at most ``size``."""
    return [commands[start : start + size] for start in range(0, len(commands), size)]


def seconds(commands: Records, batch: int, *, capacity: int = 0, block: int = 1 << 17) -> float:
    """Processor seconds that a fresh book takes for ``commands``, in calls of ``batch`` commands.

    Making the book and cutting the batches is not timed; the events are made and dropped.
    """
    book = OrderBook(capacity=capacity)
    process = book.process
    block = max(block // batch * batch, batch)
    spent_ns = 0
    gc.collect()
    gc.disable()
    try:
        for start in range(0, len(commands), block):
            cut = batches(commands[start : start + block], batch)
            started_ns = thread_time_ns()
            for commands_of_call in cut:
                process(commands_of_call)
            spent_ns += thread_time_ns() - started_ns
    finally:
        gc.enable()
    return spent_ns / 1e9


def events_of(book: OrderBook, commands: Records, batch: int = 4096) -> Records:
    """All events of ``commands``, in order."""
    parts = [book.process(part) for part in batches(commands, batch)]
    return np.concatenate(parts) if parts else np.zeros(0, dtype=EVENT_DTYPE)


def outcome(events: Records) -> Expectation:
    """Where the book stands after ``events``, told by the events alone.

    Raises ValueError if one of them is a refusal: no workload contains a bad command.
    """
    kind = events["kind"]
    refused = events[kind == EventKind.REJECTED]
    if len(refused):
        raise ValueError(f"{len(refused)} commands were refused, first: {refused[0]}")
    trades = events[kind == EventKind.TRADE]
    sides, prices, leaves = _open_orders(events)
    bids, asks = sides == Side.BUY, sides == Side.SELL
    return Expectation(
        trades=len(trades),
        traded_qty=int(trades["qty_lots"].sum()),
        notional=int((trades["price_ticks"] * trades["qty_lots"]).sum()),
        checksum=checksum(trades),
        resting=len(leaves),
        resting_qty=int(leaves.sum()),
        bid_levels=len(np.unique(prices[bids])),
        ask_levels=len(np.unique(prices[asks])),
        best_bid=int(prices[bids].max()) if bids.any() else -1,
        best_ask=int(prices[asks].min()) if asks.any() else -1,
    )


def checksum(trades: Records) -> int:
    """Maker, quantity and price of every trade, folded in the order in which they happened."""
    folded = CHECKSUM_START
    makers, lots = trades["maker_id"].tolist(), trades["qty_lots"].tolist()
    for maker, fill, price in zip(makers, lots, trades["price_ticks"].tolist(), strict=True):
        mark = (maker * 1000003 + fill * 7919 + price) & WORD
        folded = ((folded ^ mark) * CHECKSUM_PRIME) & WORD
    return folded


def _open_orders(events: Records) -> tuple[npt.NDArray[np.uint8], Whole, Whole]:
    """Side, price and leaves of every order that the events leave open."""
    kind = events["kind"]
    traded = kind == EventKind.TRADE
    # Two rows an event: what it says of its order, and (trades only) of the maker.
    ids = np.stack([events["order_id"], events["maker_id"]], axis=1).ravel()
    left = np.stack([events["leaves_lots"], events["maker_leaves_lots"]], axis=1).ravel()
    told = np.stack([np.ones_like(traded), traded], axis=1).ravel()
    known, index = np.unique(ids[told], return_inverse=True)
    # Of several values assigned to one place, NumPy keeps the last: the latest event's.
    leaves = np.zeros(len(known), dtype=np.int64)
    leaves[index] = left[told]

    standing = (kind == EventKind.ACCEPTED) | (kind == EventKind.REPLACED)
    where = np.searchsorted(known, events["order_id"][standing])
    sides = np.full(len(known), Side.NONE, dtype=np.uint8)
    prices = np.zeros(len(known), dtype=np.int64)
    sides[where] = events["side"][standing]
    prices[where] = events["price_ticks"][standing]
    still = leaves > 0
    return sides[still], prices[still], leaves[still]
