"""Following the ledger's stream: once, in order, with what is missing said."""

import struct

import pytest

from nextrade.domain.protocol.changes import read_change_message, write_change_message
from nextrade.errors import EventsMissing
from nextrade.service.gateway.ledger_feed import change_facts, ledger_news
from nextrade.service.gateway.ledger_follower import LedgerFollower
from nextrade.service.listings_file import default_listings


def message(bucket: int, first: int, count: int, kind: int = 6, purpose: int = 1) -> bytes:
    """Some changes."""
    one = struct.pack("<HBIIqI", kind, purpose, 7, 0, 150_000_000, 9) + b"ref"
    return write_change_message(bucket, first, 0, [one] * count)


def test_repeats_are_dropped_and_holes_are_named() -> None:
    """By bucket; a copy in other pieces brings what is new in it."""
    follower = LedgerFollower()

    def accept(*what: int) -> tuple[int, int] | None:
        found = follower.accept(read_change_message(message(*what)))
        return None if found is None else (found.first, len(found.changes))

    assert accept(0, 5, 2) == (5, 2)
    assert accept(1, 0, 1) == (0, 1)
    assert accept(0, 5, 2) is None
    assert accept(0, 6, 3) == (7, 2)
    with pytest.raises(EventsMissing, match="bucket 0: changes 9 to 10"):
        accept(0, 11, 1)
    follower.skip_to(read_change_message(message(0, 11, 1)))
    assert accept(0, 11, 1) == (11, 1)
    assert follower.repeats == 1


def test_news_and_facts() -> None:
    """Garbage and holes are said in their place; a change is told in units of its asset."""

    class Entry:
        def __init__(self, offset: int, body: bytes) -> None:
            self.offset, self.body = offset, body

    class Reader:
        def __init__(self) -> None:
            self.bodies = [message(0, 0, 1), b"garbage", message(0, 2, 1, 6, 3), message(0, 2, 1)]

        def read(self, _timeout_s: float) -> list[Entry]:
            found = [Entry(*pair) for pair in enumerate(self.bodies)]
            self.bodies = []
            return found

        def close(self) -> None:
            """Nothing is open."""

    news = list(ledger_news(Reader(), LedgerFollower(), 0))
    facts = [
        fact
        for one in news
        if one.message
        for fact in change_facts(default_listings(), one.message)
    ]

    assert [bool(one.trouble) for one in news] == [False, True, True, False]
    assert [fact["event"] for fact in facts] == ["deposit", "transfer-in"]
    assert (facts[0]["account"], facts[0]["amount"], facts[0]["asset"]) == (
        7,
        "1.50000000",
        "BTC",
    )
    assert (facts[1]["account"], facts[1]["from_account"]) == (9, 7)
