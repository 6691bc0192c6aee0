"""What is more than a ledger should take at once is settled slice by slice."""

import numpy as np
import pytest

from nextrade import COMMAND_DTYPE, CommandKind, Side
from nextrade.domain.partition import Outcome
from nextrade.domain.postings import REQUEST_DTYPE
from nextrade.errors import BatchPending
from nextrade.service.exchange.core import EPOCH, Core
from nextrade.service.exchange.proof import prove
from nextrade.service.ledger import MemoryLedger

from .markets import listings

BTC, USDT = 0, 2
LIMITS = {"posting_limit": 3, "event_limit": 4}


def orders(
    side: Side, owners: range, lots: int, *, price: int = 5000, first: int = 1
) -> np.ndarray:
    """An order of each owner in BTC-USDT."""
    batch = np.zeros(len(owners), COMMAND_DTYPE)
    batch["kind"], batch["side"], batch["qty_lots"] = CommandKind.PLACE, side, lots
    batch["price_ticks"], batch["owner"] = price, owners
    batch["order_id"] = np.arange(first, first + len(owners))
    batch["timestamp_ns"] = batch["order_id"]
    return batch


def funded(**limits: int) -> Core:
    """Ten accounts with sales in the book, and an eleventh that can buy them all."""
    core = Core(listings(), MemoryLedger(), **limits)
    for account in range(1, 11):
        core.money("credit", f"c{account}", account, BTC, 10**9)
    core.money("credit", "c11", 11, USDT, 10**12)
    run(core, orders(Side.SELL, range(1, 11), 10))
    return core


def run(core: Core, commands: np.ndarray) -> Outcome:
    """Run commands in partition 0."""
    return core.run(0, commands, core.tiers_of(commands))


BUY = orders(Side.BUY, range(11, 12), 95, first=50)


def test_slices_are_batches_of_the_ledger_and_one_outcome() -> None:
    """Events, balances and books are those of a core that cuts nothing; batches are more."""
    whole, cut = funded(), funded(**LIMITS)
    assert (whole.batches[0], cut.batches[0]) == (1, 3)

    one, many = run(whole, BUY), run(cut, BUY)

    assert one.events.tobytes() == many.events.tobytes()
    assert one.markets.tobytes() == many.markets.tobytes()
    assert whole.ledger.all_balances().tobytes() == cut.ledger.all_balances().tobytes()
    assert whole.partitions[0].state_hash() == cut.partitions[0].state_hash()
    assert cut.batches[0] > 8
    assert cut.ledger.open_partition(0, EPOCH) == cut.batches[0]
    assert (whole.clock_ns, whole.highest_order_id) == (cut.clock_ns, cut.highest_order_id)
    assert prove(cut, full=True).holds


def half_way() -> Core:
    """A core that stopped behind the first slice of the buy."""
    core = funded(**LIMITS)
    partition, batch = core.partitions[0], core.batches[0] + 1
    asked = partition.reservations(BUY)
    requests = np.array([(11, USDT, asked.amount[0])], REQUEST_DTYPE)
    core.ledger.reserve(0, EPOCH, batch, requests)
    outcome = partition.process(BUY, np.zeros(1, np.uint8), asked.amount)
    core.ledger.settle(0, EPOCH, batch, outcome.postings, [batch])
    core.batches[0] = batch
    assert partition.pending
    return core


def test_money_is_proved_while_slices_wait() -> None:
    """Between any two slices each unit that is held has its order, or a slice that moves it."""
    core = half_way()
    while core.partitions[0].pending:
        proof = prove(core, full=True)
        assert proof.holds, proof.faults
        outcome = core.partitions[0].proceed()
        if core.partitions[0].pending:
            # Proceeding and not settling is to be found out.
            assert not prove(core, full=True).holds
        core.batches[0] += 1
        core.ledger.settle(0, EPOCH, core.batches[0], outcome.postings)
    assert prove(core, full=True).holds


def test_nothing_is_reserved_before_what_waits() -> None:
    """A core that was opened between two slices runs nothing until it has finished."""
    before = half_way()
    assert isinstance(before.ledger, MemoryLedger)
    core = Core(listings(), MemoryLedger.restore(before.ledger.snapshot()), **LIMITS)
    core.restore(before.state())
    balances = core.ledger.all_balances().tobytes()

    with pytest.raises(BatchPending, match="finish"):
        run(core, BUY)
    assert core.ledger.all_balances().tobytes() == balances

    slices = core.finish(0)
    whole = funded()
    expected = run(whole, BUY)
    assert len(slices) > 3
    told = np.concatenate([one.events for one in slices])
    assert told.tobytes() == expected.events[-len(told) :].tobytes()
    assert core.ledger.all_balances().tobytes() == whole.ledger.all_balances().tobytes()
    assert core.partitions[0].state_hash() == whole.partitions[0].state_hash()
    assert core.finish(0) == []
