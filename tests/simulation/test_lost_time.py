"""Servers that come back with older data: caught up where that can be, else stopped with a word."""

import pytest

pytest.importorskip("greenlet", reason="greenlet is not installed")

from nextrade import Side
from nextrade.domain.buckets import bucket_of_account
from nextrade.domain.protocol.frames import Verdict
from nextrade.errors import PartitionStopped

from .checks import check
from .play import BUCKETS
from .servers import Bucket
from .stage import Stage

SELL, BUY = Side.SELL, Side.BUY
ONE, TWO = 1, 2  # accounts in different buckets


def batches(stage: Stage, count: int, price: int = 4) -> None:
    """So many batches, each an order of both accounts that rests."""
    for _ in range(count):
        stage.send((ONE, SELL, 1, price), (TWO, BUY, 1, 1))
        stage.quiet(stage.processes[0])


def lose(stage: Stage, account: int, copy: Bucket) -> None:
    """The shard of an account's bucket comes back with a copy."""
    stage.world.lose_time(bucket_of_account(account, BUCKETS), copy)
    stage.lost_time = True


def taken_over(stage: Stage) -> None:
    """The active worker dies, the standby comes to rest, and everything is right."""
    stage.crash(stage.processes[0])
    stage.end()


@pytest.mark.parametrize("lost", [1, 2, 3])
def test_bucket_is_caught_up(lost: int) -> None:
    """A bucket that lacks some batches, with what their frames reserved, gets them again."""
    stage = Stage()
    batches(stage, 1)
    copy = stage.bucket(ONE).copy()
    batches(stage, lost)
    lose(stage, ONE, copy)
    assert stage.held(ONE) == 1
    taken_over(stage)

    assert stage.held(ONE) == 1 + lost


def test_reservation_that_is_kept() -> None:
    """What a bucket still holds for a frame it is not given a second time."""
    stage = Stage()
    stage.send((ONE, SELL, 2, 4))
    stage.until(stage.processes[0], "commit")
    copy = stage.bucket(ONE).copy()
    assert copy.answers
    stage.quiet(stage.processes[0])
    batches(stage, 2)
    lose(stage, ONE, copy)
    taken_over(stage)

    assert stage.held(ONE) == 4


def test_reservation_alone_is_lost() -> None:
    """A batch is committed, and the bucket has forgotten what it reserved: it is given both."""
    stage = Stage()
    copy = stage.bucket(ONE).copy()
    stage.send((ONE, SELL, 2, 4))
    stage.until(stage.processes[0], "commit done")
    lose(stage, ONE, copy)
    taken_over(stage)

    assert stage.held(ONE) == 2


@pytest.mark.parametrize("place", ["reserve done", "commit", "commit done", "settle"])
def test_reservation_is_lost_under_a_live_worker(place: str) -> None:
    """The bucket refuses to settle what it has no answer for, and its worker takes over anew."""
    stage = Stage()
    batches(stage, 1)
    copy = stage.bucket(ONE).copy()
    stage.send((ONE, SELL, 2, 4))
    stage.until(stage.processes[0], place)
    assert stage.bucket(ONE).answers
    lose(stage, ONE, copy)
    epoch = stage.bucket(ONE).epoch
    stage.quiet(stage.processes[0])

    assert stage.world.counts["noticed a lost answer"] == 1
    assert stage.bucket(ONE).epoch == epoch + 1
    assert stage.held(ONE) == 3
    check(stage)


def test_verdict_of_a_forgotten_frame() -> None:
    """A verdict gives nothing back where the hold itself is forgotten."""
    stage = Stage()
    stage.start()
    copy = stage.bucket(ONE).copy()
    stage.send((ONE, SELL, 2, 4))
    stage.until(stage.processes[0], "commit")
    stage.crash(stage.processes[0])
    stage.purge()
    stage.quiet(stage.processes[0])
    stage.world.now_ns += 2_000_000 * stage.limits.abandoned_ms
    stage.quiet(stage.processes[0])
    assert [*stage.verdicts().values()] == [[Verdict.ABANDONED]]
    lose(stage, ONE, copy)
    taken_over(stage)

    assert stage.held(ONE) == 0
    assert stage.bucket(ONE).watermark == 1


def test_earlier_snapshot() -> None:
    """A bucket from before the newest snapshot is caught up from the one before."""
    stage = Stage(entries=2)
    batches(stage, 3)
    copy = stage.bucket(ONE).copy()
    batches(stage, 2)
    (newest, _), (before, _) = stage.world.store.snapshots
    assert before <= copy.watermark < newest
    lose(stage, ONE, copy)
    taken_over(stage)

    assert stage.held(ONE) == 5


@pytest.mark.parametrize(
    ("place", "times"),
    [("look", 1), ("look done", 1), ("settle", 1), ("settle done", 1), ("settle done", 2)],
)
def test_crash_while_catching_up(place: str, times: int) -> None:
    """Whoever comes after a worker that died while it caught a bucket up goes on."""
    stage = Stage(entries=2)
    stage.start()
    batches(stage, 3)
    copy = stage.bucket(ONE).copy()
    batches(stage, 2)
    lose(stage, ONE, copy)
    stage.crash(stage.processes[0])
    stage.until(stage.processes[0], place, times)
    taken_over(stage)

    assert stage.held(ONE) == 5


def test_too_much_is_lost() -> None:
    """A bucket from before both snapshots stops the partition, which says what to do."""
    stage = Stage(entries=2)
    batches(stage, 1)
    copy = stage.bucket(ONE).copy()
    batches(stage, 6)
    lose(stage, ONE, copy)
    stage.crash(stage.processes[0])
    with pytest.raises(PartitionStopped, match=r"stands at batch 1, .*lost too much time"):
        stage.end()


def test_other_money_is_lost_too() -> None:
    """A bucket that also lost a deposit cannot follow, and nothing of it is half done."""
    stage = Stage()
    batches(stage, 1)
    copy = stage.bucket(ONE).copy()
    stage.bucket(ONE).balances[ONE, 0][0] += 100
    stage.send((ONE, SELL, 120, 4))
    stage.quiet(stage.processes[0])
    lose(stage, ONE, copy)
    stage.crash(stage.processes[0])
    with pytest.raises(PartitionStopped, match="is missing for batch 2"):
        stage.end()

    assert stage.bucket(ONE).watermark == 1
    assert stage.held(ONE) == 1


def test_under_a_live_worker() -> None:
    """Nothing is applied to a bucket that lacks what came before; its worker takes over anew."""
    stage = Stage()
    batches(stage, 1)
    copy = stage.bucket(ONE).copy()
    batches(stage, 1)
    lose(stage, ONE, copy)
    epoch = stage.bucket(ONE).epoch
    # The bucket of the maker is settled without having been asked for anything.
    stage.send((TWO, BUY, 2, 4))
    stage.quiet(stage.processes[0])

    assert stage.world.counts["noticed lost time"] == 1
    assert stage.bucket(ONE).epoch == epoch + 1
    assert stage.held(ONE) == 0
    check(stage)


def test_no_chain() -> None:
    """Without the chain a batch lands on a bucket that lacks the one before, for good."""
    stage = Stage("no chain")
    batches(stage, 1)
    copy = stage.bucket(ONE).copy()
    batches(stage, 1)
    lose(stage, ONE, copy)
    stage.send((TWO, BUY, 1, 4))
    stage.quiet(stage.processes[0])
    with pytest.raises(AssertionError, match="is held, and orders hold"):
        taken_over(stage)


def test_store_lost_time() -> None:
    """A book store that ends before what a bucket settled stops the partition."""
    stage = Stage()
    batches(stage, 1)
    before = stage.world.books.copy()
    batches(stage, 1)
    stage.world.books.stores = before.stores
    stage.crash(stage.processes[0])
    with pytest.raises(PartitionStopped, match="the store's server has lost time"):
        stage.end()


def test_ledger_of_another_exchange() -> None:
    """A watermark that is no link of the chain stops the partition."""
    stage = Stage()
    batches(stage, 1)
    stage.send((TWO, BUY, 1, 1))
    stage.quiet(stage.processes[0])
    batches(stage, 1)
    stage.bucket(ONE).watermark = 2
    stage.crash(stage.processes[0])
    with pytest.raises(PartitionStopped, match="are not of one exchange"):
        stage.end()
