"""Whatever comes, no money appears, vanishes, or is held for nothing.

``Desk.run`` looks at every batch: postings ascend and add up to zero for each asset, what an
account holds of an asset is the sum of its orders' holds, and the books agree with the holds.
"""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from nextrade import COMMAND_DTYPE, EventKind
from nextrade.domain.partition import Partition

from .partition_tables import Desk, three_markets
from .random_commands import random_commands


@given(
    seed=st.integers(0, 2**32),
    sizes=st.lists(st.integers(0, 40), min_size=1, max_size=12),
    broke=st.frozensets(st.integers(1, 5), max_size=2),
    price=st.sampled_from([3, 100, 2**20]),
)
@settings(deadline=None)
def test_money_is_conserved(seed: int, sizes: list[int], broke: frozenset[int], price: int) -> None:
    """Random orders of every kind over three markets keep every rule after every batch."""
    desk = Desk(three_markets(), broke=broke)
    stream, tiers = random_commands(seed, sum(sizes), price=price + 6)
    at = 0
    for size in sizes:
        desk.run(stream[at : at + size], tiers[at : at + size].tolist())
        at += size
    # What was never granted is all that can be missing from the sum of everything.
    for asset in range(3):
        total = sum(v for (_, a), v in desk.available.items() if a == asset)
        total += sum(v for (_, a), v in desk.held.items() if a == asset)
        assert total == 0
    copy = Partition.restore(desk.listings, 0, desk.partition.snapshot())
    assert copy.state_hash() == desk.partition.state_hash()


@given(data=st.binary(min_size=80, max_size=80 * 30))
@settings(deadline=None)
def test_any_bytes_are_commands(data: bytes) -> None:
    """Bytes that mean nothing are refused or run, one way or the other without losing money."""
    batch = np.frombuffer(data[: len(data) // 80 * 80], COMMAND_DTYPE).copy()
    batch["market"] %= 4
    batch["kind"] %= 10
    desk = Desk(three_markets())

    outcome = desk.run(batch)

    assert set(outcome.events["command"].tolist()) == set(range(len(batch)))


def test_random_streams_meet_what_they_should() -> None:
    """The random commands trade, cancel, reduce, replace, trigger, expire, refresh and uncross."""
    desk = Desk(three_markets())
    kinds: set[int] = set()
    for seed in range(6):
        stream, tiers = random_commands(seed, 400)
        kinds |= set(desk.run(stream, tiers.tolist()).events["kind"].tolist())

    assert kinds >= {int(kind) for kind in EventKind} - {
        EventKind.STATE_HALTED,
        EventKind.STATE_CANCEL_ONLY,
    }
