"""Commands in words, one JSON object a line, and back: the vocabulary of ``Exchange.place``.

{"account": 1, "market": "BTC-USDT", "side": "buy", "price": "100", "quantity": "2"}
{"do": "cancel", "account": 1, "market": "BTC-USDT", "order_id": 17}
{"do": "cancel", "account": 1, "market": "BTC-USDT", "client_order_id": "a-1"}
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from difflib import get_close_matches
from enum import IntEnum
from typing import Any

import numpy as np
import numpy.typing as npt

from ...domain.client_order_ids import checked_text
from ...domain.listings import Listings
from ...dtypes import COMMAND_DTYPE
from ...enums import CommandKind, OrderType, PostOnly, SelfTrade, Side, TimeInForce, TradingState
from ...errors import DataError, ExchangeError, NexTradeError
from ..exchange.door import change_command, order_command
from .scheduler import operator_command

__all__ = ["NAME_TYPE", "in_words", "read_line", "read_lines", "read_named_line"]

NAME_TYPE = np.dtype("S36")
"""A client order id in an array, empty where there is none."""

_LONGEST = 65_536
_ORDER_TEXTS = (
    *("quantity", "price", "amount", "worst_price", "trigger", "order_type"),
    *("time_in_force", "post_only", "self_trade", "display"),
)
_DEFAULTS = {
    "time_in_force": TimeInForce.GTC,
    "post_only": PostOnly.NO,
    "self_trade": SelfTrade.CANCEL_NEWEST,
}
_KEYS = {
    CommandKind.PLACE: ("side", *_ORDER_TEXTS, "order_id", "client_order_id", "expire_ns"),
    CommandKind.CANCEL: ("order_id", "client_order_id"),
    CommandKind.REDUCE: ("order_id", "client_order_id", "quantity"),
    CommandKind.REPLACE: ("order_id", "client_order_id", "side", "price", "quantity", "trigger"),
    CommandKind.MASS_CANCEL: (),
    CommandKind.EXPIRE: (),
    CommandKind.SET_STATE: ("state",),
    CommandKind.UNCROSS: ("state", "price"),
}
"""What a line of a kind may say beside do, account and market."""

_OF_OPERATORS = (CommandKind.EXPIRE, CommandKind.SET_STATE, CommandKind.UNCROSS)


def read_lines(
    listings: Listings, lines: Iterable[bytes], where: str, first: int = 1
) -> tuple[npt.NDArray[np.void], npt.NDArray[np.bytes_] | None]:
    """The commands of some lines, and of each its client order id (NAME_TYPE).

    None in place of the ids if no line has one. DataError names ``where``, line and remedy.
    """
    commands, texts = [], []
    for number, line in enumerate(lines, first):
        if line.isspace() or not line:
            continue
        try:
            command, text = read_named_line(listings, line)
        except NexTradeError as error:
            raise DataError(f"{where}, line {number}: {error}") from error
        commands.append(command)
        texts.append(text)
    names = np.array(texts, NAME_TYPE) if any(texts) else None
    return (np.concatenate(commands) if commands else np.zeros(0, COMMAND_DTYPE)), names


def read_line(listings: Listings, line: bytes) -> npt.NDArray[np.void]:
    """One line as a command without time and client order id; see ``read_named_line``."""
    return read_named_line(listings, line)[0]


def read_named_line(listings: Listings, line: bytes) -> tuple[npt.NDArray[np.void], bytes]:
    """One line as a command without time, and its client order id; an order without an id has the
    id 0, and without a client order id an empty one.

    Raises DataError for what is no such line, UnitError and ExchangeError as ``Exchange.place``.
    """
    said = _object(line)
    name = str(said.pop("do", "place"))
    try:
        kind = CommandKind[name.upper().replace("-", "_")]
    except KeyError:
        known = ", ".join(member.name.lower() for member in CommandKind)
        raise DataError(f"do: {name!r} is not one of {known}") from None
    _check_keys(kind, said)
    market = said.pop("market", None)
    if not isinstance(market, str):
        raise DataError("market is missing; name one, for example BTC-USDT")
    number = listings.market(market)
    account = _whole(said, "account", 0 if kind in _OF_OPERATORS else None, 2**32)
    order_id = _whole(said, "order_id", 0, 2**64)
    text = _client_order_id(said)
    if text and order_id and kind != CommandKind.PLACE:
        raise DataError("order_id and client_order_id; name the order by one of them")
    expire_ns = _whole(said, "expire_ns", 0, 2**63)
    command = _made(listings, number, kind, said)
    command["owner"], command["market"] = account, number
    command["order_id"], command["expire_ns"] = order_id, expire_ns
    return command, text


def _client_order_id(said: dict[str, Any]) -> bytes:
    """The client order id of a line, empty if it has none."""
    if (text := said.pop("client_order_id", None)) is None:
        return b""
    if not isinstance(text, str):
        raise DataError(f"client_order_id is a text, not {text!r:.40}")
    return checked_text(text)


def _made(
    listings: Listings, market: int, kind: CommandKind, said: dict[str, Any]
) -> npt.NDArray[np.void]:
    listing = listings.listings[market]
    if kind == CommandKind.PLACE:
        if "side" not in said:
            raise DataError("side is missing; buy or sell")
        texts: dict[str, Any] = {name: said.get(name, _DEFAULTS.get(name)) for name in _ORDER_TEXTS}
        return order_command(listing, None, side=said["side"], **texts)
    if kind in _OF_OPERATORS:
        state = str(said.get("state", "open")).upper().replace("-", "_")
        if state not in TradingState.__members__:
            known = ", ".join(member.name.lower() for member in TradingState)
            raise ExchangeError(f"{state.lower()!r} is not one of {known}")
        price = listing.market.price_ticks(said["price"]) if "price" in said else 0
        return operator_command(market, kind, state=TradingState[state], price_ticks=price)
    needed = [name for name in _NEEDED.get(kind, ()) if name not in said]
    if needed:
        raise DataError(f"{' and '.join(needed)} missing; {kind.name.lower()} says it")
    return change_command(listing, kind, **said)


_NEEDED = {
    CommandKind.REDUCE: ("quantity",),
    CommandKind.REPLACE: ("side", "price", "quantity"),
}


def _object(line: bytes) -> dict[str, Any]:
    if len(line) > _LONGEST:
        raise DataError(f"{len(line)} bytes are no command")
    try:
        said = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise DataError(f"this is no JSON object: {str(error)[:100]}") from error
    if not isinstance(said, dict):
        raise DataError(f'this is no JSON object; write {{"account": 1, ...}}: {said!r:.60}')
    return said


def _check_keys(kind: CommandKind, said: dict[str, Any]) -> None:
    known = ("account", "market", *_KEYS[kind])
    for key in said:
        if key not in known:
            near = get_close_matches(key, known, n=1)
            advice = f"; did you mean {near[0]}?" if near else f"; it says {', '.join(known)}"
            raise DataError(f"{key[:40]!r} says nothing of a {kind.name.lower()}{advice}")


def _whole(said: dict[str, Any], key: str, without: int | None, end: int) -> int:
    value = said.pop(key, without)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < end:
        raise DataError(f"{key} is a whole number from 0 to {end - 1:,}, not {value!r:.40}")
    return value


def in_words(listings: Listings, command: np.void) -> dict[str, Any]:
    """A command as ``read_line`` reads it; numbers where there are no words for them."""
    kind = _named(CommandKind, int(command["kind"]))
    number = int(command["market"])
    said: dict[str, Any] = {"do": kind, "account": int(command["owner"])}
    if number >= len(listings.listings) or not isinstance(kind, str):
        return said | _plain(command)
    listing = listings.listings[number]
    said["market"] = listing.name
    price_text, qty_text = listing.market.price_text, listing.market.qty_text
    texts: dict[str, Callable[[int], Any]] = {
        "order_id": int,
        "side": lambda code: _named(Side, code),
        "order_type": lambda code: _named(OrderType, code),
        "price": price_text,
        "quantity": qty_text,
        "trigger": price_text,
        "display": qty_text,
        "amount": listing.market.amount_text,
        "time_in_force": lambda code: _named(TimeInForce, code),
        "post_only": lambda code: _named(PostOnly, code),
        "self_trade": lambda code: _named(SelfTrade, code),
        "expire_ns": int,
        "state": lambda code: _named(TradingState, code),
    }
    kept = _KEYS[CommandKind[kind.upper()]]
    always = ("side", "order_type", "state", *_NEEDED.get(CommandKind[kind.upper()], ()))
    try:
        for key, text in texts.items():
            value = int(command[_FIELDS[key]])
            if key in kept and (value or key in always):
                said[key] = text(value)
    except NexTradeError:  # a negative number, for example, of a command that will be refused
        return said | _plain(command)
    if kind == "place":
        _shorten(said, int(command["price_ticks"]), price_text)
    return said


_FIELDS = {
    "order_id": "order_id",
    "side": "side",
    "order_type": "order_type",
    "price": "price_ticks",
    "quantity": "qty_lots",
    "trigger": "trigger_ticks",
    "display": "display_lots",
    "amount": "quote_amount",
    "time_in_force": "time_in_force",
    "post_only": "post_only",
    "self_trade": "self_trade",
    "expire_ns": "expire_ns",
    "state": "state",
}


def _shorten(said: dict[str, Any], price_ticks: int, price_text: Callable[[int], str]) -> None:
    """Leave out what an order is anyway, and call a price by what it means."""
    order_type = said["order_type"]
    said.pop("price", None)
    if order_type in ("limit", "stop_limit", "take_profit_limit"):
        said["price"] = price_text(price_ticks)
    else:
        said["worst_price"] = price_text(price_ticks)
        if order_type == "market" and not price_ticks:
            del said["worst_price"]
    if order_type in ("limit", "market"):
        del said["order_type"]
    # The way to trade with oneself that a zero means is not the one that words leave out.
    if said.setdefault("self_trade", "allow") == "cancel_newest":
        del said["self_trade"]


def _named(codes: type[IntEnum], code: int) -> str | int:
    try:
        return codes(code).name.lower()
    except ValueError:
        return code


def _plain(command: np.void) -> dict[str, Any]:
    """The fields of a record that are not zero."""
    return {name: int(command[name]) for name in COMMAND_DTYPE.names or () if command[name]}
