"""A crossed book means a call auction only while nobody trades on arrival."""

import numpy as np

from nextrade.service.replay.auctions import Calls


def judged(calls: Calls, crossed: list[int], fills: list[int]) -> list[bool]:
    """What is judged of some events."""
    found: list[bool] = calls.judge(np.array(crossed, dtype=bool), np.array(fills)).tolist()
    return found


def test_a_book_that_nobody_trades_in_is_in_a_call() -> None:
    """Crossed without a fill: orders are collected."""
    assert judged(Calls(), [0, 1, 1, 1, 0], [3, 3, 3, 3, 3]) == [False, True, True, True, False]


def test_a_trade_shows_that_an_order_left_unseen() -> None:
    """From the first fill on the market trades, until the book is uncrossed again."""
    found = judged(Calls(), [1, 1, 1, 1, 0, 1], [5, 5, 6, 6, 6, 6])

    assert found == [True, True, False, False, False, True]


def test_what_was_judged_holds_in_the_next_chunk() -> None:
    """The counts go on, and so does the judgement."""
    calls = Calls()
    assert judged(calls, [1, 1], [1, 2]) == [True, False]
    assert judged(calls, [1, 1], [2, 2]) == [False, False]
    assert judged(calls, [], []) == []
    assert judged(calls, [0, 1], [2, 2]) == [False, True]
