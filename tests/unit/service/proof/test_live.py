"""The proof of an exchange holds at rest, and at any moment of its work."""

from collections.abc import Callable, Sequence
from threading import Event, Thread
from typing import Any

import pytest


@pytest.mark.parametrize("full", [True, False])
def test_a_sound_exchange_at_rest(found: Callable, full: bool) -> None:
    """Everything agrees, nothing is left to say; the columns add up to what is held."""
    exchange = found(3, entries=25)
    for number in exchange.workers:
        exchange.work(number)
    proof = exchange.prove(full=full)

    assert proof.faults == ()
    assert proof.remarks == ()
    assert all(one.holds for one in proof.assets)
    for one in proof.assets:
        assert one.held == one.in_orders == one.order_list > 0
        assert (one.in_frames, one.to_settle, one.in_settlement) == (0, 0, 0)
    for one in proof.partitions:
        assert one.batch == one.cleared > 15
        assert one.open_orders > 0
        assert one.stream.last_batch == one.batch
        assert one.stream.orders_hash


def test_a_new_exchange(found: Callable) -> None:
    """Nothing has happened yet, and that is proved."""
    proof = found().prove()

    assert (proof.faults, proof.remarks) == ((), ())
    assert [one.batch for one in proof.partitions] == [0, 0]


class Watched:
    """The ledger and the store of a worker, looked at before and after every call.

    A turn is sent in two parts at times, so that a batch has settled in some buckets only, or that
    some buckets have reserved and others not.
    """

    def __init__(self, exchange: Any, look: Callable[[], None]) -> None:
        self._exchange, self._look = exchange, look

    @property
    def buckets(self) -> int:
        return self._exchange.batches.buckets

    def turn(
        self, partition: int, epoch: int, settles: Sequence[Any], reserves: Sequence[Any]
    ) -> list[list[bytes]]:
        exchange = self._exchange
        self._look()
        some = int(exchange.dice.integers(0, len(settles) + 1))
        exchange.batches.turn(partition, epoch, settles[:some], [])
        self._look()
        if some == len(settles) and len(reserves) > 1:
            exchange.batches.turn(partition, epoch, [], reserves[:1])
            self._look()
        answers: list[list[bytes]] = exchange.batches.turn(partition, epoch, settles, reserves)
        self._look()
        return answers

    def commit(self, *arguments: Any) -> None:
        self._exchange.store.commit(*arguments)
        self._look()

    def clear(self, *arguments: Any) -> None:
        self._exchange.store.clear(*arguments)
        self._look()

    def keep(self, *arguments: Any) -> None:
        self._exchange.store.keep(*arguments)
        self._look()

    def __getattr__(self, name: str) -> Any:
        home = self._exchange.batches if name in _OF_LEDGER else self._exchange.store
        return getattr(home, name)


_OF_LEDGER = ("fence", "answers", "named", "forget")


def watch(exchange: Any, looks: int) -> list[Any]:
    """Run an exchange that is proved at so many random moments; return the proofs."""
    proofs: list[Any] = []
    dice = exchange.dice

    def look() -> None:
        if dice.random() < 0.12 and len(proofs) < looks:
            proofs.append(exchange.prove(full=bool(dice.random() < 0.5)))
            assert proofs[-1].faults == ()

    exchange.ledger.hold("out", 3, 2, 5)
    watched = Watched(exchange, look)
    for number, bus in exchange.buses.items():
        bus.touched = look
        exchange.start(number, watched, watched)
    while len(proofs) < looks:
        number = int(dice.integers(0, 2))
        exchange.send(number, int(dice.integers(1, 4)))
        exchange.workers[number].step()
        if dice.random() < 0.05:  # it dies; the next one takes over
            exchange.start(number, watched, watched)
        if dice.random() < 0.1:
            exchange.ledger.hold(f"out-{exchange.ids.one()}", int(dice.integers(1, 20)), 2, 3)
    for number in exchange.workers:
        exchange.rest(number)
    assert exchange.prove().faults == ()
    return proofs


def states_of(proofs: list[Any]) -> set[str]:
    """What was in flight at the moments of some proofs, by its column."""
    seen = set()
    for one in (one for proof in proofs for one in proof.assets):
        assert one.in_orders == one.order_list + one.in_frames + one.to_settle
        assert one.held == one.in_orders + one.in_withdrawals
        assert one.available + one.held == one.outside + one.in_transfer + one.in_settlement
        seen |= {
            name
            for name in ("in_frames", "to_settle", "in_settlement", "in_withdrawals")
            if getattr(one, name)
        }
    return seen


EVERYTHING = {"in_frames", "to_settle", "in_settlement", "in_withdrawals"}


@pytest.mark.parametrize(
    ("seed", "limits"),
    [(1, {"entries": 12}), (2, {"entries": 7, "posting_limit": 6, "event_limit": 9})],
)
def test_the_proof_holds_at_any_moment(found: Callable, seed: int, limits: dict[str, int]) -> None:
    """Between and in the middle of all calls, over take-overs, with batches cut into parts."""
    proofs = watch(found(seed, **limits), 60)

    assert states_of(proofs) == EVERYTHING
    assert any(remark for proof in proofs for remark in proof.remarks)


def prove_while_it_runs(exchange: Any, proofs: int) -> list[Any]:
    """Prove so often while workers run in another thread as fast as they can."""
    exchange.look_from_outside()
    stop, failures = Event(), []

    def run() -> None:
        try:
            while not stop.is_set():
                for number, worker in exchange.workers.items():
                    exchange.send(number, 3)
                    worker.step()
                exchange.ledger.credit(f"more-{exchange.ids.one()}", 4, 1, 1)
        except Exception as error:  # noqa: BLE001 - the test shall see it
            failures.append(error)

    thread = Thread(target=run)
    thread.start()
    try:
        found = [exchange.prove(full=bool(count % 2)) for count in range(proofs)]
    finally:
        stop.set()
        thread.join()
    assert failures == []
    return found


def test_the_proof_holds_while_workers_run(found: Callable) -> None:
    """Batches, credits and snapshots go on while buckets and stores are read."""
    exchange = found(4, entries=30)
    proofs = prove_while_it_runs(exchange, 12)

    assert [proof.faults for proof in proofs] == [()] * 12
    batches = [proof.partitions[0].batch for proof in proofs]
    assert batches == sorted(batches)
    assert batches[0] < batches[-1]


@pytest.mark.full
def test_the_proof_holds_while_workers_run_for_long(found: Callable) -> None:
    """The same with cut batches and a snapshot after every few."""
    exchange = found(6, entries=5, posting_limit=7, event_limit=9)
    proofs = prove_while_it_runs(exchange, 150)

    assert [proof.faults for proof in proofs] == [()] * 150


@pytest.mark.full
@pytest.mark.parametrize("seed", range(10, 22))
def test_the_proof_holds_at_many_moments(found: Callable, seed: int) -> None:
    """The same, longer, with other limits."""
    limits = {"entries": 3 + seed % 9, "posting_limit": 4 + seed, "event_limit": 6 + seed}
    proofs = watch(found(seed, **limits), 120)

    assert states_of(proofs) == EVERYTHING
