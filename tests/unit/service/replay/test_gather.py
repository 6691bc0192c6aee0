"""Records of many markets wait for one another and lose neither order nor company."""

from collections import defaultdict

import numpy as np
import numpy.typing as npt
import pytest

from nextrade.service.replay.gather import Gather
from nextrade.service.replay.messages import MESSAGE_DTYPE


def dealt(markets: int, count: int, seed: int) -> npt.NDArray[np.void]:
    """Numbered messages of markets drawn at random."""
    messages = np.zeros(count, dtype=MESSAGE_DTYPE)
    messages["market"] = np.random.default_rng(seed).integers(0, markets, count)
    messages["order_id"] = np.arange(count)
    return messages


@pytest.mark.parametrize(
    ("markets", "enough", "most"),
    [(1, 4096, 1 << 19), (3, 50, 400), (300, 50, 400), (300, 5000, 400), (5, 1, 10), (9, 4, 4)],
)
@pytest.mark.parametrize("piece", [1, 7, 256])
def test_each_market_gets_its_own_in_order(
    markets: int, enough: int, most: int, piece: int
) -> None:
    """Whatever waits and is let go, a market's records come once each and in the file's order."""
    messages = dealt(markets, 3000, seed=piece)
    gather = Gather(enough, most)
    found: dict[int, list[int]] = defaultdict(list)
    read = given = 0

    for at in range(0, len(messages), piece):
        part = messages[at : at + piece]
        read += len(part)
        for market, records, places in gather.take(part, part["order_id"].astype(np.int64)):
            assert set(records["market"].tolist()) == {market}
            assert places.tolist() == records["order_id"].tolist()
            found[market] += places.tolist()
            given += len(records)
        assert read - given < most + piece
    for market, _, places in gather.rest():
        found[market] += places.tolist()

    wanted = {m: np.flatnonzero(messages["market"] == m).tolist() for m in range(markets)}
    assert dict(found) == {market: rows for market, rows in wanted.items() if rows}


def test_nothing_waits_where_one_record_is_enough() -> None:
    """Who asks for small steps gets each record with the piece that it was in."""
    messages = dealt(4, 100, seed=1)
    gather = Gather(enough=1)

    given = sum(len(records) for _, records, _ in gather.take(messages, np.arange(100)))

    assert given == 100
    assert list(gather.rest()) == []
