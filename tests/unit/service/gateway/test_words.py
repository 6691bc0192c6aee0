"""Commands in words: what a line says, what is wrong with it, and the way back."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nextrade import COMMAND_DTYPE, Exchange
from nextrade.enums import CommandKind, OrderType, Side, TradingState
from nextrade.errors import DataError
from nextrade.service.gateway.words import in_words, read_line, read_lines
from nextrade.service.listings_file import default_listings

LISTINGS = default_listings()


def line(**said: object) -> bytes:
    """A line that says this, of account 1 and BTC-USDT unless told otherwise."""
    return json.dumps({"account": 1, "market": "BTC-USDT"} | said).encode()


def test_an_order_in_words_is_what_the_exchange_makes_of_it() -> None:
    """The same words give the same command as Exchange.place, but for id and time."""
    words = {"side": "buy", "price": "100.5", "quantity": "2", "post_only": "slide"}
    (command,) = read_line(LISTINGS, line(**words, time_in_force="gtd", expire_ns=9, order_id=4))

    exchange = Exchange(LISTINGS)
    exchange.deposit(1, "USDT", "1000")
    order = exchange.place(1, "BTC-USDT", expire_ns=2**60, time_in_force="gtd", **words)
    accepted = order.events[0]
    assert (command["kind"], command["order_id"], command["owner"]) == (CommandKind.PLACE, 4, 1)
    assert command["price_ticks"] == accepted["price_ticks"] == 10050
    assert command["qty_lots"] == accepted["qty_lots"] == 20000
    assert command["expire_ns"] == 9
    assert command["timestamp_ns"] == 0


def test_changes_and_operators_have_words() -> None:
    """Every kind of command can be said."""
    cancel, reduce, replace, everything, halt, uncross, expire = (
        read_line(LISTINGS, text)[0]
        for text in (
            line(do="cancel", order_id=3),
            line(do="reduce", order_id=3, quantity="0.5"),
            line(do="replace", order_id=3, side="sell", price="7", quantity="1"),
            line(do="mass-cancel"),
            b'{"do": "set_state", "market": "ETH-USDT", "state": "halted"}',
            b'{"do": "uncross", "market": "ETH-USDT", "price": "3"}',
            b'{"do": "expire", "market": "ETH-USDT"}',
        )
    )

    assert (cancel["kind"], cancel["order_id"]) == (CommandKind.CANCEL, 3)
    assert reduce["qty_lots"] == 5000
    assert (replace["side"], replace["price_ticks"]) == (Side.SELL, 700)
    assert (everything["kind"], everything["owner"]) == (CommandKind.MASS_CANCEL, 1)
    assert (halt["owner"], halt["market"], halt["state"]) == (0, 1, TradingState.HALTED)
    assert (uncross["kind"], uncross["price_ticks"]) == (CommandKind.UNCROSS, 300)
    assert expire["kind"] == CommandKind.EXPIRE


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"nonsense", "this is no JSON object"),
        (b"[1]", "this is no JSON object"),
        (b"[" * 60_000, "this is no JSON object"),
        (b" " * 70_000 + b"{}", "70002 bytes are no command"),
        (line(do="dance"), "do: 'dance' is not one of place, cancel"),
        (line(side="buy", prize="1"), "'prize' says nothing of a place; did you mean price?"),
        (line(do="cancel", order_id=1, quantity="2"), "'quantity' says nothing of a cancel"),
        (line(price="1", quantity="1"), "side is missing"),
        (line(side="up", quantity="1"), "'up' is not one of buy, sell"),
        (line(side="buy", price=100.5, quantity="1"), "write it as text: '100.5'"),
        (line(side="buy", price="0.001", quantity="1"), "is not a multiple of 0.01"),
        (line(account=-1, side="buy", price="1", quantity="1"), "account is a whole number"),
        (line(account=True, side="buy"), "account is a whole number"),
        (line(market="DOGE", side="buy"), "no market 'DOGE' is listed"),
        (b'{"account": 1}', "market is missing"),
        (b'{"market": "BTC-USDT", "do": "cancel"}', "account is a whole number"),
        (line(do="replace", order_id=1, price="1"), "side and quantity missing"),
        (line(do="set_state", state="sleepy"), "'sleepy' is not one of open, auction"),
    ],
)
def test_a_line_that_cannot_be_read_is_named(text: bytes, said: str) -> None:
    """File, line and remedy stand in the error."""
    good = line(side="buy", price="1", quantity="1")
    with pytest.raises(DataError) as caught:
        read_lines(LISTINGS, [good, b"\n", text], "orders.jsonl")

    assert str(caught.value).startswith("orders.jsonl, line 3: ")
    assert said in str(caught.value)


_AMOUNTS = st.integers(0, 10**12)


@given(
    values=st.fixed_dictionaries(
        {
            "kind": st.sampled_from(CommandKind),
            "market": st.integers(0, 2),
            "owner": st.integers(0, 2**32 - 1),
            "order_id": st.integers(0, 2**62),
            "price_ticks": _AMOUNTS,
            "qty_lots": _AMOUNTS,
            "trigger_ticks": _AMOUNTS,
            "display_lots": _AMOUNTS,
            "quote_amount": _AMOUNTS,
            "expire_ns": _AMOUNTS,
            "order_type": st.sampled_from(OrderType),
            "side": st.sampled_from([Side.BUY, Side.SELL]),
            "time_in_force": st.integers(0, 3),
            "post_only": st.integers(0, 2),
            "self_trade": st.integers(0, 4),
            "state": st.sampled_from(TradingState),
        }
    )
)
def test_there_and_back(values: dict[str, int]) -> None:
    """What a command says in words is that command again, in all fields that its kind reads."""
    command = np.zeros(1, COMMAND_DTYPE)
    for name, value in values.items():
        command[name] = value
    said = in_words(LISTINGS, command[0])
    again = read_line(LISTINGS, json.dumps(said).encode())

    assert in_words(LISTINGS, again[0]) == said
    if values["kind"] == CommandKind.PLACE:
        command["state"] = 0
        assert again.tobytes() == command.tobytes()


@given(st.binary(min_size=80, max_size=80))
def test_any_record_can_be_shown(record: bytes) -> None:
    """Garbage is shown as numbers, not raised."""
    (command,) = np.frombuffer(record, COMMAND_DTYPE)

    json.dumps(in_words(LISTINGS, command))
