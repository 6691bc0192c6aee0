"""Putting an engine's book right where it differs from what the recording says.

The recorded book is a second book that only collects. An order that is put back carries
its recorded time, so it stands at its recorded place in the queue.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from ..._book import OrderBook
from ...dtypes import COMMAND_DTYPE
from ...enums import CommandKind, Side, TradingState
from .readers.source import Commands
from .rebuild import RECORDED_OWNER


def put_right(engine: OrderBook, recorded: OrderBook, order_ids: Iterable[int], now_ns: int) -> int:
    """Make these orders, and the best prices, what the recording says; how many had to change."""
    wrong = [order_id for order_id in order_ids if _differs(engine, recorded, order_id)]
    wrong += [order_id for order_id in _inside(engine, recorded) if order_id not in wrong]
    if wrong:
        _repair(engine, recorded, wrong, now_ns)
    return len(wrong)


def cancel_these(book: OrderBook, order_ids: Iterable[int], now_ns: int) -> int:
    """Take out those of the orders that are open; how many that were."""
    there = [order_id for order_id in order_ids if order_id in book]
    if there:
        book.process(_cancels(there, now_ns))
    return len(there)


def copy_recorded(engine: OrderBook, recorded: OrderBook, now_ns: int) -> None:
    """Make the engine's whole book the recorded one; orders of agents stay."""
    orders = engine.orders()
    foreign = orders[orders["owner"] > RECORDED_OWNER]
    engine.restore(recorded.snapshot())
    if len(foreign):
        engine.process(_placed(foreign))
    engine.process(_state(TradingState.OPEN, now_ns))
    if engine.state != TradingState.OPEN:
        _take_out_what_crosses(engine, now_ns)
        engine.process(_state(TradingState.OPEN, now_ns))


def _take_out_what_crosses(engine: OrderBook, now_ns: int) -> None:
    """Cancel what stands in the way of a newer best order of the other side.

    That one came without trading, so the older ones had left unseen; or they are an agent's,
    and the recorded market never met them.
    """
    orders = engine.orders()
    bids = orders["side"] == Side.BUY
    bid_ticks = orders["price_ticks"][bids].max()
    ask_ticks = orders["price_ticks"][~bids].min()
    newest_bid = orders["timestamp_ns"][bids & (orders["price_ticks"] == bid_ticks)].max()
    newest_ask = orders["timestamp_ns"][~bids & (orders["price_ticks"] == ask_ticks)].max()
    if newest_bid < newest_ask:
        crosses = bids & (orders["price_ticks"] >= ask_ticks)
    else:
        crosses = ~bids & (orders["price_ticks"] <= bid_ticks)
    engine.process(_cancels(orders["order_id"][crosses].tolist(), now_ns))


def _differs(engine: OrderBook, recorded: OrderBook, order_id: int) -> bool:
    there, wanted = order_id in engine, order_id in recorded
    if not there or not wanted:
        return there != wanted
    one, other = engine.order(order_id), recorded.order(order_id)
    return bool(
        one["visible_lots"] != other["visible_lots"] or one["price_ticks"] != other["price_ticks"]
    )


def _inside(engine: OrderBook, recorded: OrderBook) -> list[int]:
    """Orders in the engine that stand better than the recorded best prices."""
    found, wanted = engine.top(), recorded.top()
    bid_inside = found.bid_ticks is not None and (
        wanted.bid_ticks is None or found.bid_ticks > wanted.bid_ticks
    )
    ask_inside = found.ask_ticks is not None and (
        wanted.ask_ticks is None or found.ask_ticks < wanted.ask_ticks
    )
    if not bid_inside and not ask_inside:
        return []
    orders = engine.orders()
    bids = orders["side"] == Side.BUY
    inside = np.zeros(len(orders), dtype=np.bool_)
    if bid_inside:
        inside |= bids & (orders["price_ticks"] > (wanted.bid_ticks or 0))
    if ask_inside:
        inside |= ~bids & (orders["price_ticks"] < (wanted.ask_ticks or np.iinfo(np.int64).max))
    inside &= orders["owner"] == RECORDED_OWNER
    ids: list[int] = orders["order_id"][inside].tolist()
    return ids


def _repair(engine: OrderBook, recorded: OrderBook, wrong: list[int], now_ns: int) -> None:
    wanted = [order_id for order_id in wrong if order_id in recorded]
    if not wanted:
        engine.process(_cancels([order_id for order_id in wrong if order_id in engine], now_ns))
        return
    back = _with_equals(recorded.orders(), wanted)
    again = {*wrong, *back["order_id"].tolist()}
    there = [order_id for order_id in again if order_id in engine]
    # Put back without matching. The market opens again unless that left it crossed: then
    # more is wrong than these orders, and only the whole recorded book will do.
    engine.process(
        np.concatenate(
            [
                _state(TradingState.AUCTION, now_ns),
                _cancels(there, now_ns),
                _placed(back),
                _state(TradingState.OPEN, now_ns),
            ]
        )
    )
    if engine.state != TradingState.OPEN:
        copy_recorded(engine, recorded, now_ns)


def _with_equals(orders: npt.NDArray[np.void], order_ids: list[int]) -> npt.NDArray[np.void]:
    """Some of the orders, and those of the same level and time, in the order of their queues.

    Among orders of one time the first to come is served first, so all of them go in again.
    """
    wanted = np.isin(orders["order_id"], np.array(order_ids, dtype=np.uint64))
    equals = wanted.copy()
    for one in orders[wanted]:
        same = orders["timestamp_ns"] == one["timestamp_ns"]
        same &= (orders["price_ticks"] == one["price_ticks"]) & (orders["side"] == one["side"])
        equals |= same
    return orders[equals]


def _state(state: TradingState, now_ns: int) -> Commands:
    command = np.zeros(1, dtype=COMMAND_DTYPE)
    command["kind"] = CommandKind.SET_STATE
    command["state"] = state
    command["timestamp_ns"] = now_ns
    return command


def _cancels(order_ids: list[int], now_ns: int) -> Commands:
    commands = np.zeros(len(order_ids), dtype=COMMAND_DTYPE)
    commands["kind"] = CommandKind.CANCEL
    commands["order_id"] = np.array(order_ids, dtype=np.uint64)
    commands["timestamp_ns"] = now_ns
    return commands


def _placed(orders: np.ndarray) -> Commands:
    """New orders that stand exactly as these resting ones (of ORDER_DTYPE) do."""
    commands = np.zeros(len(orders), dtype=COMMAND_DTYPE)
    commands["kind"] = CommandKind.PLACE
    for name in ("order_id", "timestamp_ns", "price_ticks", "owner", "side", "display_lots"):
        commands[name] = orders[name]
    commands["qty_lots"] = orders["visible_lots"] + orders["hidden_lots"]
    return commands
