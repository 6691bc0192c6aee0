"""Statistics part by part: the same whatever the parts, exact at the limits of int64."""

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from nextrade.service.replay.messages import MESSAGE_DTYPE
from nextrade.service.replay.stats_markets import MarketTable
from nextrade.service.replay.stats_times import Times

LIMIT = 2**63 - 1


@given(
    st.lists(st.integers(0, 400 * 10**9), min_size=1, max_size=40),
    st.lists(st.integers(0, 40), max_size=4),
)
def test_times_do_not_depend_on_the_parts(times_ns: list[int], cuts: list[int]) -> None:
    """Cut anywhere, the figures are those of a plain count over the whole."""
    times = Times()
    edges = sorted({0, *(min(cut, len(times_ns)) for cut in cuts), len(times_ns)})
    for begin, end in pairwise(edges):
        times.add(np.array(times_ns[begin:end], dtype=np.int64))
    found = times.figures()

    latest, rising = times_ns[0], []
    for time_ns in times_ns:
        latest = max(latest, time_ns)
        rising.append(latest)
    gaps = [b - a for a, b in pairwise(rising) if b - a > 60 * 10**9]
    seconds = [time_ns // 10**9 for time_ns in rising]
    most = max(seconds.count(second) for second in seconds)
    assert (found.first_ns, found.last_ns) == (times_ns[0], latest)
    assert found.steps_back == sum(b < a for a, b in pairwise(times_ns))
    assert (found.gaps, found.longest_gap_ns) == (len(gaps), max(gaps, default=0))
    assert found.busiest_second_records == most
    assert found.busiest_second_ns is not None
    assert seconds.count(found.busiest_second_ns // 10**9) == most


def test_times_at_the_ends_of_int64() -> None:
    """A gap from the least to the greatest time is told in full."""
    times = Times()
    times.add(np.array([-LIMIT, LIMIT], dtype=np.int64))

    assert times.figures().longest_gap_ns == 2 * LIMIT
    assert times.figures().longest_gap_from_ns == -LIMIT


def test_volumes_add_up_beyond_int64() -> None:
    """Sums of the greatest quantities are exact, for each market and for all."""
    table = MarketTable()
    messages = np.zeros(6, dtype=MESSAGE_DTYPE)
    messages["qty_lots"] = LIMIT
    messages["market"] = [4_000_000_000, 2, 2, 2, 2, 2]
    messages["price_ticks"] = [5, 3, 9, 7, 4, 8]
    everything, nothing = np.ones(6, dtype=np.bool_), np.zeros(6, dtype=np.bool_)
    for _ in range(3):
        table.add(
            messages,
            added=nothing,
            trades=nothing,
            fills=everything,
            hidden=nothing,
            priced=everything,
        )

    assert len(table) == 2
    two, other = table.busiest(10, ["a", "b", "c"])
    assert (two.name, two.records, two.volume_lots) == ("c", 15, 15 * LIMIT)
    assert (two.low_ticks, two.high_ticks) == (3, 9)
    assert (other.name, other.volume_lots, other.low_ticks) == ("4000000000", 3 * LIMIT, 5)
    assert table.total().volume_lots == 18 * LIMIT
