"""Price levels against recorded ones: row by row, and step by step."""

from __future__ import annotations

import numpy as np
import pytest

from nextrade.service.replay.depth_check import DepthCheck, StepCheck, one_step
from nextrade.service.replay.messages import Action

from .by_hand import BUY, SELL, levels, message, messages

BEFORE = levels([(100, 5), (99, 3), (97, 1)], [(102, 4), (103, 2)])


def rows(*some: np.ndarray) -> np.ndarray:
    """Rows of levels."""
    return np.stack(list(some))


def test_rows_agree_down_to_the_level_that_differs() -> None:
    """The second level of a side is wrong: the best level is right, all three are not."""
    other = levels([(100, 5), (99, 4), (97, 1)], [(102, 4), (103, 2)])
    check = DepthCheck("book")
    check.add(rows(BEFORE, other), rows(BEFORE, BEFORE), orders_known=False)
    best, all_three = check.checks()

    assert (best.rows, best.wrong) == (2, 0)
    assert (all_three.rows, all_three.wrong) == (2, 1)


@pytest.mark.parametrize(
    ("bids", "said"),
    [
        ([(100, 6)], "more quantity"),
        ([(100, 4)], "less quantity"),
        ([(101, 5)], "left unseen"),
        ([(99, 5)], "came unseen"),
        ([], "came unseen"),
    ],
)
def test_what_is_wrong_with_a_best_level_is_said(bids: list[tuple[int, int]], said: str) -> None:
    """Each way in which the best bid can differ has words."""
    check = DepthCheck("book")
    check.add(
        rows(levels(bids, [(102, 4)], 1)),
        rows(levels([(100, 5)], [(102, 4)], 1)),
        orders_known=False,
    )

    assert [(one.rows, one.wrong) for one in check.checks()] == [(1, 1)]
    assert said in check.checks()[0].note


def test_the_number_of_orders_counts_where_it_is_known() -> None:
    """Equal quantities of another number of orders differ only then."""
    found = BEFORE.copy()
    found["orders"][BUY, 0] = 2
    ignoring, counting = DepthCheck("book"), DepthCheck("book")
    ignoring.add(rows(found), rows(BEFORE), orders_known=False)
    counting.add(rows(found), rows(BEFORE), orders_known=True)

    assert [check.wrong for check in ignoring.checks()] == [0, 0]
    assert [check.wrong for check in counting.checks()] == [1, 1]


def test_nothing_compared_is_nothing_said() -> None:
    """No rows, no checks."""
    assert DepthCheck("book").checks() == []
    assert StepCheck().checks() == []


def explains(
    one: tuple[int, ...], after: np.ndarray, before: np.ndarray = BEFORE
) -> tuple[bool, bool]:
    """Whether the message explains the change; whether a level entered from below."""
    agrees, enters = one_step(rows(before), messages(one), rows(after))
    return bool(agrees[0]), bool(enters[0])


ASKS = [(102, 4), (103, 2)]


@pytest.mark.parametrize(
    ("one", "bids", "asks"),
    [
        (message(Action.ADD, 1, BUY, 100, 2), [(100, 7), (99, 3), (97, 1)], ASKS),
        (message(Action.ADD, 1, BUY, 98, 2), [(100, 5), (99, 3), (98, 2)], ASKS),
        (message(Action.ADD, 1, BUY, 101, 2), [(101, 2), (100, 5), (99, 3)], ASKS),
        (message(Action.ADD, 1, BUY, 96, 2), [(100, 5), (99, 3), (97, 1)], ASKS),
        (message(Action.ADD, 1, SELL, 105, 1), [(100, 5), (99, 3), (97, 1)], [*ASKS, (105, 1)]),
        (message(Action.REDUCE, 1, BUY, 99, 1), [(100, 5), (99, 2), (97, 1)], ASKS),
        (message(Action.FILL, 1, SELL, 102, 3), [(100, 5), (99, 3), (97, 1)], [(102, 1), (103, 2)]),
        (message(Action.CANCEL, 1, SELL, 102, 4), [(100, 5), (99, 3), (97, 1)], [(103, 2)]),
        (message(Action.CANCEL, 1, BUY, 95, 4), [(100, 5), (99, 3), (97, 1)], ASKS),
        (message(Action.HIDDEN, 0, BUY, 101, 4), [(100, 5), (99, 3), (97, 1)], ASKS),
    ],
)
def test_a_message_explains_what_it_does(
    one: tuple[int, ...], bids: list[tuple[int, int]], asks: list[tuple[int, int]]
) -> None:
    """New, less, gone, above, between, below and hidden: the row after it follows."""
    assert explains(one, levels(bids, asks)) == (True, False)


def test_a_level_may_enter_from_below() -> None:
    """A full side shows a level more when one leaves; any that is worse than the last will do."""
    one = message(Action.CANCEL, 1, BUY, 100, 5)

    assert explains(one, levels([(99, 3), (97, 1), (90, 8)], ASKS)) == (True, True)
    assert explains(one, levels([(99, 3), (97, 1), (98, 8)], ASKS)) == (False, True)


def test_no_level_enters_a_side_that_was_shown_whole() -> None:
    """The asks had room, so all of them were shown."""
    one = message(Action.CANCEL, 1, SELL, 102, 4)
    bids = [(100, 5), (99, 3), (97, 1)]

    assert explains(one, levels(bids, [(103, 2), (110, 1)])) == (False, False)


@pytest.mark.parametrize(
    "one",
    [
        message(Action.REDUCE, 1, BUY, 99, 2),
        message(Action.REDUCE, 1, BUY, 100, 1),
        message(Action.REDUCE, 1, SELL, 99, 1),
        message(Action.ADD, 1, BUY, 99, 1),
        message(Action.CANCEL, 1, BUY, 98, 1),
        message(Action.CANCEL, 1, BUY, 99, 9),
    ],
    ids=["quantity", "price", "side", "action", "no such level", "more than stood"],
)
def test_a_message_does_not_explain_another_change(one: tuple[int, ...]) -> None:
    """The second bid lost one lot; a message that is off by anything is not its cause."""
    after = levels([(100, 5), (99, 2), (97, 1)], ASKS)

    assert explains(one, after) == (False, False)


def test_each_row_stands_on_its_own() -> None:
    """A wrong row makes its own step wrong and the one after it, however the rows are cut."""
    given = messages(
        message(Action.ADD, 1, BUY, 100, 1),
        message(Action.ADD, 2, BUY, 100, 1),
        message(Action.ADD, 3, BUY, 100, 1),
        message(Action.ADD, 4, BUY, 100, 1),
    )
    shown = rows(*(levels([(100, lots)], [(102, 1)]) for lots in (1, 9, 3, 4)))
    for cut in range(5):
        check = StepCheck()
        check.add(given[:cut], shown[:cut]) if cut else None
        check.add(given[cut:], shown[cut:]) if cut < 4 else None
        assert [(one.rows, one.wrong) for one in check.checks()] == [(3, 2)]
