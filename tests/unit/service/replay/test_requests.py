"""What participants asked for, and the fills that an engine must find."""

from __future__ import annotations

from typing import Any

import pytest

from nextrade.enums import CommandKind, OrderType, TimeInForce
from nextrade.service.replay.messages import Action, Aggressors, Flag, Messages
from nextrade.service.replay.requests import SYNTHETIC_ID, Requests, complete, requests

from .by_hand import BUY, SELL, message, messages

FIRST = int(SYNTHETIC_ID)
INSIDE = Flag(0)
"""The event goes on."""


def asked(given: Messages, style: Aggressors, **other: Any) -> Requests:
    """The requests, with what most tests do not care about."""
    return requests(given, style, **{"auctions_match": False, "first_id": 0} | other)


def commands(found: Requests) -> list[tuple[int, ...]]:
    """Kind, id, side, price, quantity."""
    names = ("kind", "order_id", "side", "price_ticks", "qty_lots")
    return list(zip(*(found.commands[name].tolist() for name in names), strict=True))


def test_requests_of_orders_go_in_as_they_came() -> None:
    """New, reduced, replaced and canceled orders become commands; notes do not."""
    found = asked(
        messages(
            message(Action.ADD, 1, SELL, 100, 5),
            message(Action.REDUCE, 1, SELL, 100, 2),
            message(Action.NOTE),
            message(Action.REPLACE, 1, SELL, 101, 3),
            message(Action.CANCEL, 1, SELL, 101, 3),
        ),
        Aggressors.INFERRED,
    )

    assert commands(found) == [
        (CommandKind.PLACE, 1, SELL, 100, 5),
        (CommandKind.REDUCE, 1, 0, 0, 2),
        (CommandKind.REPLACE, 1, 0, 101, 3),
        (CommandKind.CANCEL, 1, 0, 0, 0),
    ]
    assert found.reach.tolist() == [1, 2, 2, 3, 4]
    assert len(found.aggressors) == 0


def test_a_run_of_fills_is_one_aggressive_order() -> None:
    """Its side is the other, its limit the worst price, its quantity the sum; it does not rest."""
    found = asked(
        messages(
            message(Action.FILL, 1, SELL, 100, 2, time=5),
            message(Action.HIDDEN, 0, SELL, 100, 9, time=5),
            message(Action.FILL, 2, SELL, 102, 3, time=5),
        ),
        Aggressors.INFERRED,
        first_id=7,
    )

    assert commands(found) == [(CommandKind.PLACE, FIRST + 7, BUY, 102, 5)]
    assert found.commands["time_in_force"].tolist() == [TimeInForce.IOC]
    assert found.fills.tolist() == [(0, 1, 100, 2), (0, 2, 102, 3)]
    assert found.aggressors[["first", "end", "place"]].tolist() == [(0, 3, 1)]


@pytest.mark.parametrize(
    "second",
    [
        message(Action.FILL, 2, SELL, 100, 3, time=6),
        message(Action.FILL, 2, BUY, 100, 3, time=5),
        message(Action.FILL, 1, SELL, 100, 3, time=5),
    ],
    ids=["another time", "another side", "the same order again"],
)
def test_what_parts_two_runs(second: tuple[int, ...]) -> None:
    """Fills of another time or side, or of the order just hit, are those of a second order."""
    first = message(Action.FILL, 1, SELL, 100, 2, time=5)
    found = asked(messages(first, second), Aggressors.INFERRED)

    assert len(found.aggressors) == 2
    assert found.fills["aggressor"].tolist() == [0, 1]


def test_a_request_parts_two_runs() -> None:
    """The rest of the first order stands between its fills and those of the next."""
    found = asked(
        messages(
            message(Action.FILL, 1, SELL, 100, 2, time=5),
            message(Action.ADD, 9, BUY, 100, 1, time=5),
            message(Action.FILL, 2, SELL, 101, 3, time=5),
        ),
        Aggressors.INFERRED,
    )

    assert [command[:2] for command in commands(found)] == [
        (CommandKind.PLACE, FIRST),
        (CommandKind.PLACE, 9),
        (CommandKind.PLACE, FIRST + 1),
    ]


def test_trades_of_one_id_are_one_order() -> None:
    """Where trades name the aggressor, a new id, not a new trade, begins the next order."""
    fill = Flag.REPORT
    found = asked(
        messages(
            message(Action.TRADE, 7, BUY, 100, 2, flags=INSIDE),
            message(Action.FILL, 1, SELL, 100, 2, flags=fill),
            message(Action.TRADE, 7, BUY, 101, 1, flags=INSIDE),
            message(Action.FILL, 2, SELL, 101, 1, flags=fill),
            message(Action.TRADE, 8, BUY, 101, 4, flags=INSIDE),
            message(Action.FILL, 2, SELL, 101, 4, flags=fill),
            message(Action.REDUCE, 1, SELL, 100, 2, flags=Flag.RESTATES),
            message(Action.REDUCE, 2, SELL, 101, 5, flags=Flag.RESTATES | Flag.LAST),
        ),
        Aggressors.PRINTED,
    )

    assert commands(found) == [
        (CommandKind.PLACE, FIRST, BUY, 101, 3),
        (CommandKind.PLACE, FIRST + 1, BUY, 101, 4),
    ]
    assert found.fills["aggressor"].tolist() == [0, 0, 1]
    assert found.aggressors["end"].tolist() == [8, 8]


def test_fills_of_the_aggressor_itself_are_no_answers() -> None:
    """An order that rested and was replaced into a cross is told as filled too."""
    found = asked(
        messages(
            message(Action.TRADE, 7, BUY, 100, 2, flags=INSIDE),
            message(Action.FILL, 7, BUY, 100, 2, flags=Flag.REPORT | Flag.AGGRESSOR),
            message(Action.FILL, 1, SELL, 100, 2, flags=Flag.REPORT | Flag.LAST),
        ),
        Aggressors.PRINTED,
    )

    assert found.fills["maker_id"].tolist() == [1]


def test_the_fills_of_a_submitted_order_follow_it() -> None:
    """Where the aggressor's own request is told, it goes in, and nothing is made up."""
    found = asked(
        messages(
            message(Action.ADD, 7, BUY, 105, 9, flags=INSIDE),
            message(Action.FILL, 1, SELL, 100, 2, flags=INSIDE),
            message(Action.FILL, 7, BUY, 100, 2, flags=Flag.AGGRESSOR | Flag.LAST),
            message(Action.FILL, 2, SELL, 101, 1),
        ),
        Aggressors.SUBMITTED,
    )

    assert commands(found) == [(CommandKind.PLACE, 7, BUY, 105, 9)]
    assert found.fills.tolist() == [(0, 1, 100, 2)]
    assert found.aggressors[["command", "qty_lots", "limit_ticks"]].tolist() == [(0, 2, 100)]


def test_an_order_without_a_price_takes_the_best() -> None:
    """It goes in as market-to-limit and brings no price of its own."""
    given = messages(message(Action.ADD, 7, BUY, 105, 9, flags=Flag.UNPRICED | Flag.LAST))
    found = asked(given, Aggressors.SUBMITTED)

    assert found.commands[["order_type", "price_ticks"]].tolist() == [
        (OrderType.MARKET_TO_LIMIT, 0)
    ]


@pytest.mark.parametrize(
    ("engine_runs_calls", "kinds"), [(True, []), (False, [CommandKind.REDUCE])]
)
def test_what_a_call_auction_traded(engine_runs_calls: bool, kinds: list[int]) -> None:
    """It is an answer if the engine runs calls itself, otherwise it is taken off the orders."""
    given = messages(
        message(Action.ADD, 7, BUY, 105, 9, flags=Flag.AUCTION | Flag.LAST),
        message(Action.FILL, 1, SELL, 100, 2, flags=Flag.AUCTION | Flag.LAST),
    )
    found = asked(given, Aggressors.SUBMITTED, auctions_match=engine_runs_calls)

    assert found.commands["kind"].tolist() == kinds
    assert len(found.fills) == 0


def test_unlinked_fills_belong_to_nobody() -> None:
    """Orders go in as they came; which fills were whose is not asked."""
    found = asked(
        messages(message(Action.ADD, 7, BUY, 105, 9), message(Action.FILL, 7, BUY, 105, 2)),
        Aggressors.UNLINKED,
    )

    assert commands(found) == [(CommandKind.PLACE, 7, BUY, 105, 9)]
    assert len(found.aggressors) == len(found.fills) == 0


def test_a_run_of_fills_waits_for_its_end() -> None:
    """More fills of the same moment may follow, so these are not complete; a request ends them."""
    run = [
        message(Action.ADD, 9, BUY, 90, 1, time=4),
        message(Action.FILL, 1, SELL, 100, 2, time=5),
        message(Action.FILL, 2, SELL, 100, 2, time=5),
    ]

    assert complete(messages(*run), Aggressors.INFERRED) == 1
    assert (
        complete(messages(*run, message(Action.CANCEL, 9, BUY, time=5)), Aggressors.INFERRED) == 4
    )
    assert complete(messages(*run, message(Action.FILL, 3, SELL, time=6)), Aggressors.INFERRED) == 3


def test_an_event_waits_for_its_end() -> None:
    """Where aggressors are printed, messages are read by whole events; snapshots do not wait."""
    snapshot = message(Action.ADD, 9, BUY, 90, 1, flags=Flag.SNAPSHOT)
    trade = message(Action.TRADE, 7, BUY, 100, 2, flags=INSIDE)
    end = message(Action.FILL, 1, SELL, 100, 2, flags=Flag.REPORT | Flag.LAST)

    assert complete(messages(snapshot, trade), Aggressors.PRINTED) == 1
    assert complete(messages(snapshot, trade, end), Aggressors.PRINTED) == 3
    assert complete(messages(trade), Aggressors.PRINTED) == 0
    assert complete(messages(), Aggressors.PRINTED) == 0
