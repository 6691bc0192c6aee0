"""Orders from before a recording starts: what is found of them, and where they go in."""

from __future__ import annotations

from nextrade.service.replay.messages import Action, Flag, Messages
from nextrade.service.replay.starters import Pending, Starters

from .by_hand import BUY, SELL, message, messages

FOLLOWED = Flag.LAST | Flag.REPORT
"""A fill whose effect another message of the event restates."""


def found(given: Messages) -> list[tuple[int, int, int, int]]:
    """Id, side, price and quantity of each starter."""
    starters = Starters()
    starters.add(given)
    columns = ("order_id", "side", "price_ticks", "qty_lots")
    return list(zip(*(starters.found[name].tolist() for name in columns), strict=True))


def merged(given: Messages, *, by_id: bool = False) -> list[tuple[int, int]]:
    """Action and id of the messages with the starters among them."""
    starters = Starters()
    starters.add(given)
    result, _ = Pending(starters, by_id=by_id).merge(given)
    return list(zip(result["action"].tolist(), result["order_id"].tolist(), strict=True))


def test_an_order_that_only_loses_had_the_sum_of_its_losses() -> None:
    """A reduction, a fill and a cancel of an id that never came add up."""
    given = messages(
        message(Action.REDUCE, 5, BUY, 100, 2),
        message(Action.FILL, 5, BUY, 100, 3),
        message(Action.CANCEL, 5, BUY, 100, 4),
    )

    assert found(given) == [(5, BUY, 100, 9)]


def test_what_is_said_to_be_left_decides() -> None:
    """Where the first message tells what is left, later losses are part of that."""
    given = messages(
        message(Action.FILL, 5, SELL, 100, 3, leaves=7),
        message(Action.FILL, 5, SELL, 100, 4, leaves=3),
    )

    assert found(given) == [(5, SELL, 100, 10)]


def test_what_a_restating_change_shows_is_what_a_fill_left() -> None:
    """A fill of 1 and a change to 2 of the same event: the order had 3, and lost none later."""
    given = messages(
        message(Action.FILL, 5, BUY, 100, 1, flags=Flag.REPORT),
        message(Action.REPLACE, 5, BUY, 100, 2, flags=Flag.LAST | Flag.RESTATES),
        message(Action.FILL, 5, BUY, 100, 2, flags=FOLLOWED),
    )

    assert found(given) == [(5, BUY, 100, 3)]


def test_an_order_that_came_is_none() -> None:
    """Neither a new order nor one that was changed and then lost something is a starter twice."""
    given = messages(
        message(Action.ADD, 5, BUY, 100, 2),
        message(Action.CANCEL, 5, BUY, 100, 2),
        message(Action.REPLACE, 6, SELL, 101, 4),
        message(Action.CANCEL, 6, SELL, 101, 4),
    )

    assert [row[0] for row in found(given)] == [6]


def test_a_change_of_an_unknown_order_is_taken_as_new() -> None:
    """It stood somewhere before, but where is not told."""
    given = messages(message(Action.REPLACE, 6, SELL, 101, 4))

    assert merged(given) == [(Action.ADD, 6)]


def test_starters_stand_at_the_start_those_filled_first_in_front() -> None:
    """A queue is served in its order, so the order of the first fills is that of the queue."""
    given = messages(
        message(Action.ADD, 10, SELL, 105, 1),
        message(Action.REDUCE, 3, BUY, 100, 1),
        message(Action.FILL, 9, BUY, 100, 1, leaves=0),
        message(Action.FILL, 4, BUY, 100, 1, leaves=0),
    )

    assert [order for action, order in merged(given) if action == Action.ADD] == [9, 4, 3, 10]
    assert merged(given)[3] == (Action.ADD, 10)


def test_by_id_a_starter_goes_in_before_the_first_higher_id() -> None:
    """Ids grow with time, so it came before that order, and at the latest before its own first."""
    given = messages(
        message(Action.ADD, 10, BUY, 100, 5),
        message(Action.ADD, 30, BUY, 100, 5),
        message(Action.FILL, 20, BUY, 100, 2),
        message(Action.CANCEL, 40, BUY, 100, 1),
    )

    assert [order for _, order in merged(given, by_id=True)] == [10, 20, 30, 20, 40, 40]


def test_no_starter_parts_the_executions_of_one_moment() -> None:
    """One that would go in between two fills of one time goes in before the first."""
    given = messages(
        message(Action.ADD, 10, BUY, 100, 5, time=1),
        message(Action.FILL, 10, BUY, 100, 5, time=2),
        message(Action.FILL, 7, BUY, 99, 2, time=2),
    )
    starters = Starters()
    starters.add(given[1:])
    result, counts = Pending(starters, by_id=True).merge(given[1:])

    assert result["action"].tolist() == [Action.ADD, Action.ADD, Action.FILL, Action.FILL]
    assert counts.tolist() == [0, 3, 4]


def test_starters_wait_for_their_messages() -> None:
    """By id, one that is due in later messages is not put in among the first ones."""
    given = messages(
        message(Action.ADD, 10, BUY, 100, 5),
        message(Action.ADD, 30, BUY, 100, 5),
        message(Action.CANCEL, 20, BUY, 100, 2),
    )
    starters = Starters()
    starters.add(given)
    pending = Pending(starters, by_id=True)
    first, _ = pending.merge(given[:1])
    placed_first = pending.placed
    second, _ = pending.merge(given[1:])

    assert first["order_id"].tolist() == [10]
    assert placed_first == 0
    assert second["order_id"].tolist() == [20, 30, 20]
    assert pending.placed == 1
