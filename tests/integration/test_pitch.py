"""BATS PITCH before the market opened: counts, executed volumes, and every execution in turn."""

from collections import Counter

import numpy as np
import numpy.typing as npt

from nextrade import OrderBook, Side, TradingState
from nextrade.service.replay.messages import Action
from nextrade.service.replay.readers import open_source
from nextrade.service.replay.readers.pitch import Pitch

from ..recorded import recorded, recorded_one

FILE = "pitch_example_data.gz"


def read() -> tuple[npt.NDArray[np.void], Pitch]:
    """All messages of the file."""
    recording = open_source(recorded_one("cboe_pitch", FILE))
    assert isinstance(recording, Pitch)
    return np.concatenate([part.messages for part in recording.parts()]), recording


def test_every_line_is_read() -> None:
    """20,000 lines by action; all names of orders are known, and 286 symbols have orders."""
    messages, recording = read()

    kinds = Counter(messages["action"].tolist())
    assert kinds[Action.ADD] == 10_361
    assert kinds[Action.REDUCE] + kinds[Action.CANCEL] == 9_592
    assert (kinds[Action.FILL], kinds[Action.HIDDEN]) == (20, 27)
    assert messages["place"].tolist() == list(range(1, 20_001))
    assert len(set(messages["market"][messages["action"] == Action.ADD].tolist())) == 286
    # Two symbols have executions of hidden orders alone.
    assert len(recording.markets) == 288
    assert recording.remarks() == []
    assert int(np.count_nonzero(np.diff(messages["timestamp_ns"]) < 0)) == 691


def test_executed_volumes() -> None:
    """The ten largest executed volumes, visible and hidden, are the published ones."""
    messages, recording = read()
    volumes: Counter[str] = Counter()
    executed = np.isin(messages["action"], [Action.FILL, Action.HIDDEN])
    for market, lots in messages[["market", "qty_lots"]][executed].tolist():
        volumes[recording.markets[market]] += lots
    published = {}
    for line in recorded("cboe_pitch", "top10_executed_volume.txt").read_text().splitlines():
        name, lots = line.split()
        published[name] = int(lots)

    assert sorted(published.values()) == sorted(lots for _, lots in volumes.most_common(10))
    assert {name: volumes[name] for name in published} == published


def test_executions_hit_the_head_of_the_best_level() -> None:
    """In books rebuilt without matching, each of the 20 executions is the next in the queue."""
    messages, _ = read()
    books: dict[int, OrderBook] = {}
    at_the_head = 0
    for row in messages:
        book = books.get(int(row["market"]))
        if book is None:
            book = books[int(row["market"])] = OrderBook()
            book.set_state(TradingState.AUCTION)
        order_id, lots = int(row["order_id"]), int(row["qty_lots"])
        if row["action"] == Action.ADD:
            book.limit(order_id, Side(row["side"]), int(row["price_ticks"]), lots)
        elif row["action"] == Action.FILL:
            mine = book.orders()[book.orders()["side"] == row["side"]]
            best = mine["price_ticks"].max() if row["side"] == 0 else mine["price_ticks"].min()
            first = mine[mine["price_ticks"] == best][0]
            at_the_head += first["order_id"] == order_id
            assert row["price_ticks"] == best
            book.reduce(order_id, lots)
        elif row["action"] == Action.REDUCE:
            book.reduce(order_id, lots)
        elif row["action"] == Action.CANCEL:
            assert book.order(order_id)["visible_lots"] == lots
            book.cancel(order_id)
        if row["leaves_lots"] > 0:
            assert book.order(order_id)["visible_lots"] == row["leaves_lots"]
    for book in books.values():
        book.check_invariants()

    assert at_the_head == 20
