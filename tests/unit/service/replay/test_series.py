"""A market over time in bounded memory: extremes and sums survive, whatever is thinned out."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nextrade import Side
from nextrade.dtypes import DEPTH_DTYPE
from nextrade.service.replay.series import Series
from nextrade.tables import TRADE_DTYPE


def trades_at(times: np.ndarray, prices: np.ndarray, lots: int | np.ndarray = 1) -> np.ndarray:
    """Trades that a buyer, a seller and nobody took, in turn."""
    made = np.zeros(len(times), dtype=TRADE_DTYPE)
    made["timestamp_ns"], made["price_ticks"], made["qty_lots"] = times, prices, lots
    made["taker_side"] = np.arange(len(times)) % 3  # buyer, seller, auction
    return made


def books_at(bids: np.ndarray, asks: np.ndarray, levels: int = 2) -> np.ndarray:
    """Books of one level a side; a price of zero is an empty side."""
    made = np.zeros((len(bids), 2, levels), dtype=DEPTH_DTYPE)
    made["price_ticks"][:, 0, 0], made["price_ticks"][:, 1, 0] = bids, asks
    made["qty_lots"][:, :, 0] = (made["price_ticks"][:, :, 0] > 0) * 5
    return made


def test_few_trades_are_all_kept() -> None:
    """As long as there is room every trade stands for itself."""
    series = Series(most=10)
    series.add_trades(trades_at(np.array([5, 6, 9]), np.array([100, 90, 120]), 7))
    candles = series.candles()

    assert candles.timestamp_ns.tolist() == [5, 6, 9]
    for prices in (candles.open_ticks, candles.high_ticks, candles.low_ticks, candles.close_ticks):
        assert prices.tolist() == [100, 90, 120]
    assert candles.bought_lots.tolist() == [7, 0, 0]
    assert candles.sold_lots.tolist() == [0, 7, 0]
    assert candles.other_lots.tolist() == [0, 0, 7]
    assert Side.BUY == 0


def test_a_candle_is_made_of_its_trades() -> None:
    """First, greatest, least and last price, and the sums, of trades in one stretch of time."""
    series = Series(most=1)
    series.add_trades(trades_at(np.array([0, 1, 2, 3]), np.array([10, 7, 15, 12]), 2))
    candles = series.candles()

    assert [int(prices[0]) for prices in candles[1:5]] == [10, 15, 7, 12]
    assert (candles.bought_lots[0], candles.sold_lots[0], candles.other_lots[0]) == (4, 2, 2)
    assert candles.trades.tolist() == [4]


@given(
    st.lists(st.integers(0, 10**15), min_size=1, max_size=200),
    st.integers(1, 20),
    st.integers(1, 50),
)
def test_nothing_is_lost_whatever_the_times(times: list[int], most: int, parts: int) -> None:
    """Extremes, sums and counts are those of all trades; time never goes back."""
    at = np.array(times, dtype=np.int64)
    prices = (at * 7919) % 10_007 + 1
    series = Series(most=most)
    for part in np.array_split(trades_at(at, prices, 3), parts):
        series.add_trades(part)
    candles = series.candles()

    assert 1 <= len(candles.trades) <= most
    assert candles.high_ticks.max() == prices.max()
    assert candles.low_ticks.min() == prices.min()
    assert candles.trades.sum() == len(times) == series.trades
    assert (candles.bought_lots + candles.sold_lots + candles.other_lots).sum() == 3 * len(times)
    assert candles.timestamp_ns[0] == at.min()
    assert (np.diff(candles.timestamp_ns) > 0).all()


def test_the_parts_in_which_trades_come_do_not_matter() -> None:
    """One by one, in blocks or all at once: the same candles."""
    random = np.random.default_rng(1)
    times = np.sort(random.integers(0, 10**12, 3_000))
    trades = trades_at(times, random.integers(1, 1000, 3_000))
    kept = []
    for parts in (1, 30, 3_000):
        series = Series(most=64)
        for part in np.array_split(trades, parts):
            series.add_trades(part)
        kept.append([column.tolist() for column in series.candles()])

    assert kept[0] == kept[1] == kept[2]


def test_a_spike_among_millions_survives() -> None:
    """One trade far away, for one nanosecond of a day, is in the picture."""
    series = Series(most=100)
    for block in range(20):
        times = np.arange(50_000, dtype=np.int64) * 10**6 + block * 5 * 10**10
        prices = np.full(50_000, 1000)
        if block == 11:
            prices[777], prices[778] = 1, 9999
        series.add_trades(trades_at(times, prices))
    candles = series.candles()

    assert len(candles.trades) <= 100
    assert (candles.low_ticks.min(), candles.high_ticks.max()) == (1, 9999)
    assert (candles.close_ticks == 1000).all()


def test_silence_takes_no_room_from_a_busy_time() -> None:
    """A day of nothing before and after a busy second leaves that second its resolution."""
    series = Series(most=100)
    busy = 86_400 * 10**9 + np.arange(64, dtype=np.int64) * 10**6
    series.add_trades(trades_at(np.array([0]), np.array([5])))
    series.add_trades(trades_at(busy, np.full(64, 6)))
    series.add_trades(trades_at(np.array([172_800 * 10**9]), np.array([7])))

    assert series.candles().timestamp_ns.tolist() == [0, *busy.tolist(), 172_800 * 10**9]


def test_the_last_book_and_the_widest_spread_are_kept() -> None:
    """Of the samples in one stretch of time the last book stays, and the widest spread of all."""
    series = Series(levels=2, most=1)
    bids, asks = np.array([10, 10, 9, 0, 12]), np.array([11, 14, 10, 20, 11])
    series.add_depth(np.arange(5, dtype=np.int64), books_at(bids, asks))
    samples = series.depth()

    assert samples.timestamp_ns.tolist() == [4]
    assert samples.levels["price_ticks"][0, :, 0].tolist() == [12, 11]
    # Neither the empty side (20) nor the crossed book is a spread.
    assert samples.widest_ticks.tolist() == [4]
    assert series.samples == 5


def test_a_book_without_a_touch_has_no_spread() -> None:
    """Empty and one-sided books are samples all the same."""
    series = Series(levels=2)
    series.add_depth(np.array([1, 2]), books_at(np.array([0, 5]), np.array([0, 0])))

    assert series.depth().widest_ticks.tolist() == [-1, -1]


def test_kept_samples_do_not_change_with_the_callers_array() -> None:
    """The caller may use its array again for the next batch."""
    series = Series(levels=2)
    books, times = books_at(np.array([5]), np.array([6])), np.array([1])
    series.add_depth(times, books)
    books["price_ticks"], times[0] = 0, 99
    samples = series.depth()

    assert samples.levels["price_ticks"][0, :, 0].tolist() == [5, 6]
    assert samples.timestamp_ns.tolist() == [1]


def test_memory_does_not_follow_what_is_fed() -> None:
    """Ten times as many samples and trades need no more memory than before."""
    series = Series(levels=10, most=200)
    books = books_at(np.full(2_000, 10), np.full(2_000, 12), 10)
    sizes = []
    tracemalloc.start()
    try:
        for batch in range(110):
            times = np.arange(2_000, dtype=np.int64) * 1000 + batch * 2_000_000
            series.add_depth(times, books)
            series.add_trades(trades_at(times, np.full(2_000, 11)))
            if batch in (9, 109):
                sizes.append(tracemalloc.get_traced_memory()[0])
    finally:
        tracemalloc.stop()

    assert sizes[1] < sizes[0] + 400 * 500  # what two stretches of time more may hold
    assert series.samples == series.trades == 220_000
    assert len(series.depth().levels) <= 200


def test_an_empty_series_has_empty_tables() -> None:
    """Nothing fed, nothing there, and nothing fails."""
    series = Series(levels=3)
    series.add_trades(np.zeros(0, dtype=TRADE_DTYPE))
    series.add_depth(np.zeros(0, dtype=np.int64), np.zeros((0, 2, 3), dtype=DEPTH_DTYPE))
    series.add_latency(np.zeros(0, dtype=np.int64))

    assert series.depth().levels.shape == (0, 2, 3)
    assert len(series.candles().trades) == 0
    assert series.latency.count == 0


def test_another_shape_is_refused() -> None:
    """Samples with other levels than agreed would be a mistake."""
    with pytest.raises(ValueError, match=r"shape \(1, 2, 3\)"):
        Series(levels=3).add_depth(np.zeros(1, np.int64), np.zeros((1, 2, 4), DEPTH_DTYPE))
