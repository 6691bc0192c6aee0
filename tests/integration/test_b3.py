"""B3 PETR4F, 2015-11-03: every row is read, and every trade has two equal sides."""

import csv
import gzip
from collections import Counter
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from nextrade.enums import Side
from nextrade.service.replay.messages import Action, Flag, Messages
from nextrade.service.replay.readers import unpacked
from nextrade.service.replay.readers.b3 import B3
from nextrade.service.replay.readers.source import BadRecords

from ..recorded import recorded_one


@pytest.fixture(scope="module")
def path() -> Path:
    """The recorded file."""
    return recorded_one("b3", "PETR4F_*.csv.gz")


@pytest.fixture(scope="module")
def recording(path: Path) -> B3:
    """The file, opened."""
    return B3(path, BadRecords())


@pytest.fixture(scope="module")
def messages(recording: B3) -> Messages:
    """All of it."""
    return np.concatenate([part.messages for part in recording.parts()])


@pytest.fixture(scope="module")
def rows(path: Path) -> list[dict[str, str]]:
    """The rows by column name."""
    return list(csv.DictReader(gzip.decompress(path.read_bytes()).decode().splitlines()))


def test_every_row_is_a_message(recording: B3, messages: Messages) -> None:
    """As many of each kind as the file has, and one market."""
    assert Counter(messages["action"].tolist()) == {
        Action.ADD: 1_056,
        Action.REPLACE: 7_068,
        Action.CANCEL: 330,
        Action.FILL: 2 * 627,
    }
    assert messages["place"].tolist() == list(range(2, 9_710))
    assert recording.markets == ["PETR4F"]
    assert recording.remarks() == ["3 orders without a price did not trade and wait for an auction"]


def test_every_number_is_that_of_its_row(messages: Messages, rows: list[dict[str, str]]) -> None:
    """Time, id, side and what is left agree with the text of the row."""
    for message, row in zip(messages, rows, strict=True):
        moment = datetime.fromisoformat(f"{row['SessionDate']}T{row['PriorityTime']}+00:00")
        micros = round(moment.timestamp() * 10**6)
        left = int(row["TotalQuantity"]) - int(row["TradedQuantity"])
        assert message["timestamp_ns"] == micros * 1_000
        assert message["order_id"] == int(row["SequentialOrderNumber"])
        assert message["side"] == {"Buy": Side.BUY, "Sell": Side.SELL}[row["OrderSide"]]
        if message["action"] == Action.CANCEL:
            assert (message["qty_lots"], message["leaves_lots"]) == (left, 0)
        else:
            assert message["leaves_lots"] == left
        if message["action"] in (Action.ADD, Action.REPLACE):
            assert message["qty_lots"] == left
        if message["action"] != Action.FILL and Decimal(row["OrderPrice"]):
            assert message["price_ticks"] == Decimal(row["OrderPrice"]) * 10_000


def test_each_trade_has_two_sides_that_agree(
    messages: Messages, rows: list[dict[str, str]]
) -> None:
    """627 pairs of one buy and one sell with one price, the passive order's, and one quantity.

    The quantities of an order add up to what its last row says has traded since its first.
    """
    fills = np.flatnonzero(messages["action"] == Action.FILL)
    traded: Counter[int] = Counter()
    for first, second in fills.reshape(627, 2).tolist():
        pair = messages[[first, second]]
        assert second == first + 1
        assert sorted(pair["side"].tolist()) == [Side.BUY, Side.SELL]
        assert pair["qty_lots"][0] == pair["qty_lots"][1] > 0
        aggressive = (pair["flags"] & Flag.AGGRESSOR) != 0
        assert aggressive.sum() == 1
        passive = rows[second if aggressive[0] else first]
        assert passive["AgressorIndicator"] == "2"
        assert pair["price_ticks"].tolist() == [int(Decimal(passive["OrderPrice"]) * 10_000)] * 2
        for message in pair:
            traded[int(message["order_id"])] += int(message["qty_lots"])

    first_seen: dict[int, int] = {}
    last_seen: dict[int, int] = {}
    for row in rows:
        order_id, so_far = int(row["SequentialOrderNumber"]), int(row["TradedQuantity"])
        last_seen[order_id] = so_far
        if row["ExecutionType"] != "Trade":
            first_seen.setdefault(order_id, so_far)
        elif order_id not in first_seen:
            first_seen[order_id] = so_far - traded_at_first_row(messages, order_id)
    for order_id, quantity in traded.items():
        assert quantity == last_seen[order_id] - first_seen[order_id]


def traded_at_first_row(messages: Messages, order_id: int) -> int:
    """The quantity of an order's first message."""
    return int(messages["qty_lots"][np.argmax(messages["order_id"] == order_id)])


def test_an_event_is_a_request_and_what_it_traded(messages: Messages) -> None:
    """Each New, Update and Cancel begins an event; 494 of them trade on arrival."""
    last = (messages["flags"] & Flag.LAST) != 0
    begins = np.append(True, last[:-1])
    assert (begins == (messages["action"] != Action.FILL)).all()
    assert np.count_nonzero(begins & ~last) == 494


def test_orders_without_a_price_trade_at_once_or_wait_for_the_auction(
    messages: Messages, rows: list[dict[str, str]]
) -> None:
    """14 take a price from their first trade; three wait, two of these are new twice."""
    unpriced = np.flatnonzero(messages["flags"] & Flag.UNPRICED)
    assert [at for at, row in enumerate(rows) if is_unpriced(row)] == unpriced.tolist()
    waits = messages[unpriced]["flags"] & Flag.AUCTION != 0
    waiting = messages[unpriced][waits]
    assert waiting["order_id"].tolist() == [
        82523948946,
        82523959951,
        82523948946,
        82523959951,
        82523963906,
    ]
    assert not waiting["price_ticks"].any()
    trading = unpriced[~waits]
    assert len(trading) == 14
    assert (messages["price_ticks"][trading] == messages["price_ticks"][trading + 1]).all()
    assert (messages["action"][trading + 1] == Action.FILL).all()
    others = np.setdiff1d(np.flatnonzero(messages["flags"] & Flag.AUCTION), unpriced)
    assert not len(others)


def is_unpriced(row: dict[str, str]) -> bool:
    """A request without a price."""
    return row["ExecutionType"] != "Trade" and not Decimal(row["OrderPrice"])


def test_the_orders_from_before_are_those_whose_first_row_is_not_new(messages: Messages) -> None:
    """86 begin with a trade, 16 with a cancellation, 12 with a replacement."""
    _, first = np.unique(messages["order_id"], return_index=True)

    assert Counter(messages["action"][first].tolist()) == {
        Action.ADD: 1_054,
        Action.FILL: 86,
        Action.CANCEL: 16,
        Action.REPLACE: 12,
    }
    assert (messages["qty_lots"][first] > 0).all()
    assert (messages["price_ticks"][first][messages["action"][first] != Action.ADD] > 0).all()


def test_small_blocks_give_the_same_messages(
    path: Path, messages: Messages, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a block ends makes no difference, and no part ends inside an event."""
    monkeypatch.setattr(unpacked, "BLOCK_BYTES", 777)
    parts = list(B3(path, BadRecords()).parts())

    assert len(parts) > 1_000
    assert all(part.messages["flags"][-1] & Flag.LAST for part in parts)
    assert np.concatenate([part.messages for part in parts]).tobytes() == messages.tobytes()
