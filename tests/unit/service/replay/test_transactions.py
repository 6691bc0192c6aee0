"""The order of messages within an event whose cancels are reported last."""

from __future__ import annotations

from nextrade.service.replay.messages import Action, Flag
from nextrade.service.replay.transactions import cancels_first

from .by_hand import BUY, SELL, message, messages

NOT_LAST = Flag(0)


def test_what_self_match_prevention_took_out_goes_before_the_order_that_came() -> None:
    """A cancel of the other side stands before the new order, which ends the event now."""
    ordered = cancels_first(
        messages(
            message(Action.ADD, 7, BUY, 100, 5, flags=NOT_LAST),
            message(Action.REDUCE, 3, SELL, 100, 2),
        )
    )

    assert ordered["order_id"].tolist() == [3, 7]
    assert ordered["flags"].tolist() == [0, Flag.LAST]


def test_it_goes_before_the_first_trade_of_the_event() -> None:
    """Trades, fills and what these restate keep their order behind it."""
    ordered = cancels_first(
        messages(
            message(Action.CANCEL, 1, BUY, 90, 1),
            message(Action.TRADE, 7, BUY, 100, 2, flags=NOT_LAST),
            message(Action.FILL, 2, SELL, 100, 2, flags=Flag.REPORT),
            message(Action.REDUCE, 2, SELL, 100, 2, flags=Flag.RESTATES),
            message(Action.REDUCE, 3, SELL, 100, 4),
        )
    )

    assert ordered["place"].tolist() == [1, 5, 2, 3, 4]
    assert [bool(flags & Flag.LAST) for flags in ordered["flags"]] == [True, *[False] * 3, True]


def test_cancels_of_the_side_that_came_stay() -> None:
    """What a replaced order had before is taken off after it traded."""
    given = messages(
        message(Action.TRADE, 7, BUY, 100, 2, flags=NOT_LAST),
        message(Action.FILL, 2, SELL, 100, 2, flags=Flag.REPORT),
        message(Action.REDUCE, 7, BUY, 99, 2),
    )

    assert cancels_first(given).tolist() == given.tolist()


def test_another_event_of_the_same_time_stays() -> None:
    """An order that came and was canceled in events of one time is not canceled first."""
    given = messages(
        message(Action.ADD, 7, BUY, 100, 5),
        message(Action.ADD, 8, SELL, 105, 5),
        message(Action.REDUCE, 8, SELL, 105, 5),
    )

    assert cancels_first(given).tolist() == given.tolist()


def test_auctions_and_snapshots_stay() -> None:
    """What a call auction did, and the starting book, are as the recording tells them."""
    given = messages(
        message(Action.ADD, 7, BUY, 100, 5, flags=Flag.SNAPSHOT),
        message(Action.REDUCE, 3, SELL, 101, 2, flags=Flag.SNAPSHOT),
        message(Action.TRADE, 0, BUY, 100, 2, flags=Flag.AUCTION),
        message(Action.REDUCE, 4, SELL, 101, 2),
    )

    assert cancels_first(given).tolist() == given.tolist()


def test_no_messages_are_no_messages() -> None:
    """Nothing is reordered to nothing."""
    assert len(cancels_first(messages())) == 0
