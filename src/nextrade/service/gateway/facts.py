"""Events as people read them: times, names, prices and quantities in the market's own text."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ...domain.protocol.messages import Message
from ...domain.refusals import name_of
from ...enums import EventFlag, EventKind, Side
from .known import Reading

__all__ = ["ArrivalNames", "Wanted", "facts_of", "time_text"]


class Wanted(NamedTuple):
    """Which events are asked for; everything unless something is said."""

    trades: bool = False
    markets: frozenset[int] | None = None
    accounts: frozenset[int] | None = None

    def rows(self, message: Message) -> npt.NDArray[np.intp]:
        """Positions of the events of a message that are wanted."""
        events = message.events
        wanted = np.ones(len(events), np.bool_)
        if self.trades:
            wanted &= events["kind"] == EventKind.TRADE
        if self.markets is not None:
            wanted &= np.isin(message.markets, list(self.markets))
        if self.accounts is not None:
            some = list(self.accounts)
            traded = events["kind"] == EventKind.TRADE
            of_maker = traded & np.isin(events["maker_owner"], some)
            wanted &= np.isin(events["owner"], some) | of_maker
        return np.flatnonzero(wanted)


def facts_of(
    reading: Reading,
    message: Message,
    wanted: Wanted | None = None,
    names: ArrivalNames | None = None,
) -> Iterator[dict[str, Any]]:
    """The wanted events of a message as plain values, after a change of the listings, if it is one.

    Prices and quantities are decimal text in the units of the market, amounts of orders by
    amount in its quote asset. What does not apply is left out. ``names`` knows the client order
    ids of orders that arrive; without it only those are told that came with the same message.
    """
    if message.listings and wanted in (None, Wanted()):
        yield {
            "partition": message.partition,
            "batch": message.batch,
            "time": time_text(message.time_ns),
            "event": "LISTINGS",
            "version": reading.listings.version,
        }
    arrived = (names or ArrivalNames()).after(message)
    for row in (wanted or Wanted()).rows(message).tolist():
        fact = _fact(reading, message, row)
        if arrived and fact["event"] in _ARRIVALS and (text := arrived.get(fact.get("order", 0))):
            fact["client_order_id"] = text
        yield fact


_ARRIVALS = (EventKind.ACCEPTED.name, EventKind.REJECTED.name)


class ArrivalNames:
    """The client order ids of the orders that each partition took last.

    They come with the first message of a batch; what its commands did may follow in other messages,
    and in batches of no frames.
    """

    def __init__(self) -> None:
        self._by_partition: dict[int, dict[int, str]] = {}

    def after(self, message: Message) -> dict[int, str]:
        """By order id: the client order ids that this message's events may be about."""
        if len(message.frames) and not message.first_index:
            self._by_partition[message.partition] = {
                order: text.decode("ascii", "replace") for order, _, text in message.ids.tolist()
            }
        return self._by_partition.get(message.partition, {})


def _fact(reading: Reading, message: Message, row: int) -> dict[str, Any]:
    event, number = message.events[row], int(message.markets[row])
    kind = int(event["kind"])
    fact: dict[str, Any] = {
        "partition": message.partition,
        "batch": message.batch,
        "index": message.first_index + row,
        "time": time_text(int(event["timestamp_ns"])),
        "market": str(number),
        "event": _name(kind),
    }
    price: Callable[[int], str] = _raw
    quantity, amount = price, price
    if number < len(reading.listings.listings):
        market = reading.listings.listings[number].market
        fact["market"] = market.name
        if number not in reading.raw:
            price, quantity, amount = market.price_text, market.qty_text, market.amount_text
    if event["order_id"]:
        fact["order"] = int(event["order_id"])
    if event["owner"]:
        fact["account"] = int(event["owner"])
    if event["side"] != Side.NONE:
        fact["side"] = Side(int(event["side"])).name.lower()
    _put(fact, "price", price, int(event["price_ticks"]))
    _put(fact, "quantity", quantity, int(event["qty_lots"]))
    by_amount = int(event["flags"]) & EventFlag.BY_AMOUNT
    _put(fact, "leaves", amount if by_amount else quantity, int(event["leaves_lots"]))
    if kind == EventKind.TRADE:
        fact["maker"] = int(event["maker_id"])
        fact["maker_account"] = int(event["maker_owner"])
        _put(fact, "maker_leaves", quantity, int(event["maker_leaves_lots"]))
        fact["trade"] = int(event["trade_index"])
    if event["reason"]:
        fact["reason"] = name_of(int(event["reason"]))
    return fact


def _put(fact: dict[str, Any], name: str, text: Callable[[int], str], value: int) -> None:
    # A refused command may have asked for anything, negative numbers too.
    if value:
        fact[name] = text(value) if value > 0 else _raw(value)


def _raw(value: int) -> str:
    return str(value)


def _name(kind: int) -> str:
    try:
        return EventKind(kind).name
    except ValueError:
        return str(kind)


def time_text(time_ns: int) -> str:
    """A moment of the exchange's clock, in UTC, to the nanosecond."""
    seconds, rest = divmod(time_ns, 1_000_000_000)
    try:
        moment = datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError):
        return str(time_ns)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{rest:09d}Z"
