"""Bitstamp BTC/USD, 2015-05-01, three hours: every message is read, and the book is rebuilt."""

import gzip
import json
from collections import Counter
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from nextrade import OrderBook, Side, TradingState
from nextrade.service.replay.messages import Action, Messages, Part
from nextrade.service.replay.readers import unpacked
from nextrade.service.replay.readers.bitstamp import Bitstamp
from nextrade.service.replay.readers.source import BadRecords

from ..recorded import recorded_one

NAME = "2015-05-01.0000-0300.log.gz"
LATE, REPEATED, EARLY, CHANGED_GONE = 4, 14, 4, 1


@pytest.fixture(scope="module")
def path() -> Path:
    """The recorded file."""
    return recorded_one("bitstamp", NAME)


@pytest.fixture(scope="module")
def recording(path: Path) -> Bitstamp:
    """The file, opened."""
    return Bitstamp(path, BadRecords())


@pytest.fixture(scope="module")
def parts(recording: Bitstamp) -> list[Part]:
    """All of it."""
    return list(recording.parts())


@pytest.fixture(scope="module")
def lines(path: Path) -> list[list[str]]:
    """Time, kind and JSON of each line."""
    return [line.split(" ", 2) for line in gzip.decompress(path.read_bytes()).decode().splitlines()]


def test_every_line_is_a_message_or_is_said_to_be_passed_over(
    recording: Bitstamp, parts: list[Part]
) -> None:
    """Counts by kind agree with those of the file, less what comes twice or out of order."""
    messages = np.concatenate([part.messages for part in parts])
    actions = Counter(messages["action"].tolist())

    passed = REPEATED + EARLY + CHANGED_GONE
    assert actions[Action.ADD] == 16_076 - LATE
    assert actions[Action.FILL] + actions[Action.REPLACE] + actions[Action.CANCEL] == (
        433 + 16_083 - passed
    )
    assert actions[Action.TRADE] == 406
    assert actions[Action.REPLACE] == 29  # market orders on their way through the book
    assert len(messages) == sum(actions.values()) == 16_076 - LATE + 433 + 16_083 - passed + 406
    assert sum(len(part.depth.after) for part in parts if part.depth is not None) == 3_249
    assert len(set(messages["place"].tolist())) == len(messages)
    said = " ".join(recording.remarks())
    assert said.startswith(f"{LATE} creations")
    assert f"{passed} changes and deletions" in said


def test_every_number_is_that_of_its_line(parts: list[Part], lines: list[list[str]]) -> None:
    """Time, price, amount, id and side agree with Python's own JSON and decimals."""
    messages = np.concatenate([part.messages for part in parts])
    for message in messages:
        time, kind, text = lines[int(message["place"]) - 1]
        said = json.loads(text, parse_float=Decimal)
        price, amount = Decimal(said["price"]), Decimal(said["amount"])
        assert message["timestamp_ns"] == int(time) * 10**6
        assert message["price_ticks"] == round(price * 100)
        lots = round(amount * 10**8)
        if kind == "trade":
            assert message["qty_lots"] == lots
            assert message["order_id"] == 0
            assert message["side"] == Side.NONE
            continue
        assert message["order_id"] == said["id"]
        assert message["side"] == said["order_type"]
        cancelled = kind == "order_deleted" and lots > 0
        assert message["leaves_lots"] == (0 if cancelled else lots)
        if cancelled or kind == "order_created":
            assert message["qty_lots"] == lots


def test_recorded_levels_are_those_of_their_lines(
    parts: list[Part], lines: list[list[str]]
) -> None:
    """Each order_book line gives twenty levels a side, at its place among the messages."""
    books = iter(number for number, line in enumerate(lines, 1) if line[1] == "order_book")
    for part in parts:
        assert part.depth is not None
        assert not part.depth.orders_known
        for after, levels in zip(part.depth.after.tolist(), part.depth.levels, strict=True):
            number = next(books)
            places = part.messages["place"]
            assert (places[:after] < number).all()
            assert (places[after:] > number).all()
            said = json.loads(lines[number - 1][2])
            for side, name in enumerate(("bids", "asks")):
                expected = [
                    (int(Decimal(price) * 100), int(Decimal(amount) * 10**8))
                    for price, amount in said[name]
                ]
                assert levels[side][["price_ticks", "qty_lots"]].tolist() == expected
    assert next(books, None) is None


def _starters(messages: Messages) -> list[tuple[int, int, int, int]]:
    """Id, side, price and quantity of orders whose first message is not their creation."""
    first: dict[int, np.void] = {}
    for message in messages[messages["action"] != Action.TRADE]:
        first.setdefault(int(message["order_id"]), message)
    return [
        (
            order_id,
            int(message["side"]),
            int(message["price_ticks"]),
            int(message["qty_lots"] + message["leaves_lots"]),
        )
        for order_id, message in sorted(first.items())
        if message["action"] != Action.ADD
    ]


def _apply(book: OrderBook, message: np.void) -> None:
    """What happened to an order, to a book in which orders only rest."""
    order_id, leaves = int(message["order_id"]), int(message["leaves_lots"])
    action = Action(message["action"])
    if action is Action.ADD:
        book.limit(
            order_id,
            Side(message["side"]),
            int(message["price_ticks"]),
            int(message["qty_lots"]),
        )
    elif order_id in book and (action is Action.CANCEL or leaves == 0):
        book.cancel(order_id)
    elif action is Action.REPLACE or (action is Action.FILL and order_id in book):
        book.replace(order_id, price_ticks=int(message["price_ticks"]), qty_lots=leaves)


def test_the_rebuilt_book_shows_the_recorded_levels(parts: list[Part]) -> None:
    """The best level is right in 98.8% of the 3,249 snapshots, the best five in 89.9%.

    Orders from before the file that no message ever names are missing in the others.
    """
    messages = np.concatenate([part.messages for part in parts])
    starters = _starters(messages)
    # 143 + 22 + 3 have a first message that is none of their creation; 4 of these come too early.
    assert len(starters) == 143 + 22 + 3 - EARLY
    book = OrderBook()
    book.set_state(TradingState.AUCTION)
    for order_id, side, price, quantity in starters:
        if quantity:
            book.limit(order_id, Side(side), price, quantity)
    best = five = 0
    for part in parts:
        assert part.depth is not None
        at = 0
        for after, levels in zip(part.depth.after.tolist(), part.depth.levels, strict=True):
            for message in part.messages[at:after]:
                _apply(book, message)
            at = after
            wanted = levels[["price_ticks", "qty_lots"]]
            shown = [side[["price_ticks", "qty_lots"]].tolist() for side in book.depth(5)]
            best += all(shown[side][:1] == wanted[side, :1].tolist() for side in (0, 1))
            five += all(shown[side] == wanted[side, :5].tolist() for side in (0, 1))
        for message in part.messages[at:]:
            _apply(book, message)

    assert (best, five) == (3_210, 2_921)


def test_small_blocks_give_the_same_messages(
    path: Path, parts: list[Part], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a block ends makes no difference."""
    monkeypatch.setattr(unpacked, "BLOCK_BYTES", 5_000)
    pieces = list(Bitstamp(path, BadRecords()).parts())

    assert len(pieces) > 500
    messages = np.concatenate([part.messages for part in parts])
    assert np.concatenate([part.messages for part in pieces]).tobytes() == messages.tobytes()
