"""Events in words, by the listings that the stream itself tells of."""

from dataclasses import replace

import numpy as np

from nextrade import EVENT_DTYPE, LEVEL_DTYPE, EventKind
from nextrade.domain.listings import Listings
from nextrade.domain.listings_text import pack_listings
from nextrade.domain.protocol.messages import (
    FRAME_ENTRY_DTYPE,
    Message,
    read_message,
    write_messages,
)
from nextrade.service.gateway.facts import Wanted, facts_of
from nextrade.service.gateway.known import Known
from nextrade.service.listing_edits import with_market
from nextrade.service.listings_file import default_listings

FOUNDED = default_listings()
NOW = with_market(replace(FOUNDED, version=2), "BTC-USDT", {"tick_size": "0.1"})


def message(batch: int, listings: Listings | None = None, market: int = 0) -> Message:
    """One event at 100 ticks; or a change of the listings."""
    events = np.zeros(0 if listings else 1, EVENT_DTYPE)
    events["kind"], events["price_ticks"] = EventKind.ACCEPTED, 100
    markets = np.full(len(events), market, np.uint32)
    none = np.zeros(0, LEVEL_DTYPE), np.zeros(0, np.uint32)
    text = pack_listings(listings) if listings else b""
    frames = np.zeros(0, FRAME_ENTRY_DTYPE)
    return read_message(write_messages(0, batch, 5, frames, events, markets, *none, text)[0])


def prices(known: Known, *messages: Message) -> list[str]:
    """What each event says of its price."""
    return [
        fact["price"]
        for one in messages
        for fact in facts_of(known.of(one), one)
        if "price" in fact
    ]


def test_a_stream_from_its_beginning_is_read_as_it_was() -> None:
    """By the founding until it tells of other listings."""
    known = Known(NOW, FOUNDED, from_now=False)
    assert prices(known, message(1), message(2, NOW), message(3)) == ["1.00", "10.0"]


def test_a_stream_from_now_on_is_read_by_what_holds() -> None:
    """Nothing of before comes."""
    assert prices(Known(NOW, FOUNDED, from_now=True), message(7)) == ["10.0"]


def test_what_is_not_known_is_told_in_ticks() -> None:
    """Of a market whose units changed some time, until the stream says more."""
    known = Known(NOW, FOUNDED, from_now=False)
    told = prices(known, message(7), message(8, market=1), message(9, NOW), message(10))
    assert told == ["100", "1.00", "10.0"]


def test_a_change_is_told_unless_something_else_is_asked_for() -> None:
    """With its version."""
    one = message(2, NOW)
    reading = Known(NOW, FOUNDED, from_now=True).of(one)
    (fact,) = facts_of(reading, one)
    assert (fact["event"], fact["version"], fact["batch"]) == ("LISTINGS", 2, 2)
    assert list(facts_of(reading, one, Wanted(trades=True))) == []
