"""Fills of an engine against recorded ones, and the same without time."""

from __future__ import annotations

import numpy as np
import pytest

from nextrade.dtypes import EVENT_DTYPE
from nextrade.service.replay.compare import PAIR_DTYPE, Agreement, Unordered
from nextrade.service.replay.messages import Action
from nextrade.service.replay.requests import AGGRESSOR_DTYPE

from .by_hand import BUY, SELL, message, messages

Fill = tuple[int, int, int, int]
"""Aggressor, maker, price, quantity."""


def pairs(*fills: Fill) -> np.ndarray:
    """Fills as records."""
    return np.array(list(fills), dtype=PAIR_DTYPE)


def compared(count: int, recorded: list[Fill], made: list[Fill]) -> Agreement:
    """The figures of so many aggressive orders, at the places 10, 20 and so on."""
    aggressors = np.zeros(count, dtype=AGGRESSOR_DTYPE)
    aggressors["place"] = np.arange(1, count + 1) * 10
    agreement = Agreement()
    agreement.add(aggressors, pairs(*recorded), pairs(*made))
    return agreement


def test_the_same_fills_are_exact() -> None:
    """Each of two orders found its makers, prices and quantities, in order."""
    fills = [(0, 1, 100, 2), (0, 2, 101, 1), (1, 3, 99, 5)]
    found = compared(2, fills, fills)

    assert (found.aggressive, found.exact, found.same_volume) == (2, 2, 2)
    assert (found.fills, found.fills_exact, found.fills_beyond) == (3, 3, 0)
    assert not found.causes
    assert not found.places


@pytest.mark.parametrize(
    ("made", "volume_differs", "common", "beyond"),
    [
        ([(1, 2, 100, 1), (1, 1, 100, 2)], 0, 2, 0),
        ([(1, 1, 100, 2), (1, 3, 100, 1)], 0, 1, 1),
        ([(1, 1, 100, 2)], 1, 1, 0),
        ([(1, 1, 100, 2), (1, 2, 100, 1), (1, 9, 101, 1)], 1, 2, 1),
        ([(1, 1, 100, 2), (1, 2, 101, 1)], 1, 1, 1),
        ([], 1, 0, 0),
    ],
    ids=["another order", "another maker", "less", "more", "another price", "nothing"],
)
def test_each_way_to_differ_is_counted(
    made: list[Fill], volume_differs: int, common: int, beyond: int
) -> None:
    """The second order differs, with one cause and its place; the fills found are told apart."""
    first = [(0, 7, 90, 1)]
    found = compared(2, [*first, (1, 1, 100, 2), (1, 2, 100, 1)], [*first, *made])

    assert found.exact == 1
    assert found.same_volume == 2 - volume_differs
    assert found.fills_exact == 1 + common
    assert found.fills_beyond == beyond
    assert sum(found.causes.values()) == 1
    assert found.places == [20]


def test_causes_have_names_of_their_own() -> None:
    """Five ways to differ, five causes."""
    recorded = [(at, maker, 100, lots) for at in range(5) for maker, lots in ((1, 2), (2, 1))]
    made = [
        *[(0, 2, 100, 1), (0, 1, 100, 2)],
        *[(1, 1, 100, 2), (1, 3, 100, 1)],
        (2, 1, 100, 2),
        *[(3, 1, 100, 2), (3, 2, 100, 1), (3, 4, 101, 1)],
        *[(4, 1, 100, 2), (4, 2, 101, 1)],
    ]

    assert sorted(compared(5, recorded, made).causes.values()) == [1] * 5


def test_fills_of_nobody_are_beyond_the_recording() -> None:
    """An order that should only rest and traded is not one of the recorded aggressive orders."""
    found = compared(1, [(0, 1, 100, 2)], [(-1, 5, 100, 1), (0, 1, 100, 2)])

    assert (found.exact, found.fills_beyond) == (1, 1)


def test_figures_of_markets_add_up() -> None:
    """Two markets are one agreement, the places in the order of the file."""
    one = compared(2, [(1, 1, 100, 2)], [])
    one.merge(compared(1, [(0, 1, 100, 2)], []))

    assert (one.aggressive, one.exact, one.fills) == (3, 1, 2)
    assert one.places == [10, 20]


def test_without_aggressive_orders_there_is_nothing_to_say() -> None:
    """No check with no rows."""
    assert compared(0, [], []).checks() == []


def made_trades(*trades: tuple[int, int, int, int]) -> np.ndarray:
    """Trades of an engine: taker, maker, price, quantity."""
    events = np.zeros(len(trades), dtype=EVENT_DTYPE)
    for at, (taker, maker, price, lots) in enumerate(trades):
        events[at]["order_id"], events[at]["maker_id"] = taker, maker
        events[at]["price_ticks"], events[at]["qty_lots"] = price, lots
    return events


def test_trades_are_compared_whatever_their_order() -> None:
    """Two trades are found in the other order, one is missing, one is beyond."""
    unordered = Unordered()
    unordered.add_recorded(
        messages(
            message(Action.TRADE, 0, BUY, 100, 2),
            message(Action.TRADE, 0, BUY, 101, 3),
            message(Action.TRADE, 0, BUY, 101, 3),
        )
    )
    unordered.add_made(made_trades((1, 2, 101, 3), (1, 3, 100, 2), (1, 4, 100, 2)))
    trades = unordered.checks()[0]

    assert (trades.rows, trades.wrong) == (3, 1)
    assert "of 3 trades of the engine 1 are not" in trades.note


def test_filled_quantities_are_compared_order_by_order() -> None:
    """Taker 1 and maker 2 were filled for 3 in both; maker 4 only in the engine."""
    unordered = Unordered()
    unordered.add_recorded(messages(message(Action.TRADE, 0, BUY, 101, 3)))
    unordered.add_fills(
        messages(message(Action.FILL, 1, BUY, 101, 3), message(Action.FILL, 2, SELL, 101, 3))
    )
    unordered.add_made(made_trades((1, 2, 101, 3), (5, 4, 101, 1)))
    orders = unordered.checks()[1]

    assert (orders.rows, orders.wrong) == (4, 2)


def test_orders_that_are_gone_are_judged_and_forgotten() -> None:
    """What is settled keeps its verdict, and is not counted again."""
    unordered = Unordered()
    unordered.add_recorded(messages(message(Action.TRADE, 0, BUY, 101, 3)))
    unordered.add_fills(messages(message(Action.FILL, 1, BUY, 101, 3)))
    unordered.add_made(made_trades((1, 2, 101, 3)))
    before = unordered.checks()[1]
    unordered.settle(np.array([1, 2, 77], dtype=np.uint64))
    after = unordered.checks()[1]

    assert (before.rows, before.wrong) == (after.rows, after.wrong) == (2, 1)
