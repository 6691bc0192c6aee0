"""Outcomes larger than a limit: cut into slices, which together are what one would have been.

``Desk.run`` takes all slices and looks after each: no more than the limits, adding up to zero
for each asset, and what is held is what the orders and the slices that wait hold.
"""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nextrade import COMMAND_DTYPE, CommandKind, EventKind, Side
from nextrade.domain.partition import EVENT_LIMIT, POSTING_LIMIT, Outcome, Partition
from nextrade.errors import BatchPending

from .partition_tables import LOT, TICK_LOT, Desk, commands, one_market, refusals, three_markets
from .random_commands import random_commands

LIMITS = [
    {"posting_limit": 1},
    {"event_limit": 1},
    {"posting_limit": 7, "event_limit": 5},
    {"posting_limit": 41, "event_limit": 64},
]


def resting(side: Side, prices: np.ndarray, *, lots: int = 1, first: int = 1) -> np.ndarray:
    """One order at each price, ids and owners counted from ``first``."""
    batch = np.zeros(len(prices), COMMAND_DTYPE)
    batch["kind"], batch["side"], batch["qty_lots"] = CommandKind.PLACE, side, lots
    batch["price_ticks"] = prices
    batch["order_id"] = batch["owner"] = np.arange(first, first + len(prices))
    return batch


def cut_and_whole(*batches: np.ndarray, restart: bool = True, **limits: int) -> list[Outcome]:
    """Run the last batch whole and cut; it must be the same. Answers with both outcomes."""
    whole, cut = Desk(one_market()), Desk(one_market(), restart=restart, **limits)
    for batch in batches[:-1]:
        whole.run(batch)
        cut.run(batch)
    before = cut.slices
    outcomes = [whole.run(batches[-1]), cut.run(batches[-1])]
    assert whole.slices == len(batches)
    assert cut.slices > before + 1
    assert outcomes[0].events.tobytes() == outcomes[1].events.tobytes()
    assert outcomes[0].markets.tobytes() == outcomes[1].markets.tobytes()
    assert whole.available == cut.available
    assert {k: v for k, v in whole.held.items() if v} == {k: v for k, v in cut.held.items() if v}
    assert whole.partition.state_hash() == cut.partition.state_hash()
    return outcomes


def size(limits: dict[str, int], many: int) -> int:
    """So many orders that there are some tens of slices."""
    return many if min(limits.values()) > 10 else many // 10


def kinds_of(outcome: Outcome) -> list[int]:
    """How many events there are of each kind, by code."""
    return np.bincount(outcome.events["kind"], minlength=16).tolist()


@pytest.mark.parametrize("limits", LIMITS, ids=str)
def test_one_order_through_many_makers(limits: dict[str, int]) -> None:
    """A market order takes a thousand sales, each of another account."""
    makers = size(limits, 1000)
    sales = resting(Side.SELL, np.arange(100, 100 + makers))
    outcomes = cut_and_whole(
        sales, commands(f"9999 buy #9999 {makers} @ {200 + makers} market"), **limits
    )

    assert kinds_of(outcomes[1])[EventKind.TRADE] == makers


@pytest.mark.parametrize("limits", LIMITS, ids=str)
def test_mass_cancel(limits: dict[str, int]) -> None:
    """One command takes all orders of an account out of the book; others come behind it."""
    sales = resting(Side.SELL, np.arange(100, 100 + size(limits, 1000)))
    sales["owner"] = 1
    batch = commands("1 mass_cancel", "2 buy #9000 1 @ 50", "1 sell #9001 1 @ 50")
    outcomes = cut_and_whole(sales, batch, **limits)

    assert kinds_of(outcomes[1])[EventKind.CANCELED] == len(sales)
    assert kinds_of(outcomes[1])[EventKind.TRADE] == 1


@pytest.mark.parametrize("limits", LIMITS, ids=str)
def test_uncross(limits: dict[str, int]) -> None:
    """The end of an auction trades many orders with many others at one price."""
    each = size(limits, 500)
    before = (
        commands("0 set_state then=auction"),
        resting(Side.BUY, np.full(each, 120)),
        resting(Side.SELL, np.full(each, 100), first=1001),
    )
    outcomes = cut_and_whole(*before, commands("0 uncross then=open"), **limits)

    assert kinds_of(outcomes[1])[EventKind.TRADE] == each


@pytest.mark.parametrize("limits", LIMITS, ids=str)
def test_expiry(limits: dict[str, int]) -> None:
    """Many orders end at one time."""
    buys = resting(Side.BUY, np.arange(100, 100 + size(limits, 1000)))
    buys["time_in_force"], buys["expire_ns"] = 3, 50
    outcomes = cut_and_whole(buys, commands("0 expire time=60"), **limits)

    assert kinds_of(outcomes[1])[EventKind.EXPIRED] == len(buys)


@pytest.mark.parametrize("limits", LIMITS, ids=str)
def test_cascade_of_stops(limits: dict[str, int]) -> None:
    """Each trade elects the next stop, which trades at the next price."""
    steps = size(limits, 500)
    sales = resting(Side.SELL, np.arange(100, 101 + steps))
    stops = resting(Side.BUY, np.full(steps, 2000), first=5001)
    stops["order_type"], stops["trigger_ticks"] = 3, np.arange(100, 100 + steps)
    outcomes = cut_and_whole(sales, stops, commands("9999 buy #9999 1 @ 100"), **limits)

    assert kinds_of(outcomes[1])[EventKind.TRIGGERED] == steps
    assert kinds_of(outcomes[1])[EventKind.TRADE] == steps + 1


def test_refusals_keep_their_place_among_those_of_their_market() -> None:
    """A refused command is told of behind earlier ones of its market, in whichever slice."""
    desk = Desk(three_markets(), event_limit=2)
    batch = commands(
        "1 sell #1 5 @ 100",
        "1 sell #0 5 @ 100",
        "2 buy #2 3 @ 100",
        "2 buy #3 3 @ 0 market=1",
        "1 sell #4 1 @ 100 market=9",
        "2 buy #5 3 @ 0",
        "1 mass_cancel",
        "1 sell #0 5 @ 100",
    )
    asked = desk.partition.reservations(batch)

    slices = [desk.partition.process(batch, np.zeros(8, np.uint8), asked.amount)]
    while desk.partition.pending:
        slices.append(desk.partition.proceed())

    assert [one.events["command"].tolist() for one in slices] == [
        [0, 4],
        [1, 2],
        [2, 5],
        [6, 6],
        [3, 7],
    ]


def test_what_was_not_granted_is_refused_in_its_slice() -> None:
    """A refusal is an event like others, and what it had reserved comes back with it."""
    makers = resting(Side.SELL, np.arange(100, 130))
    batch = commands("77 buy #500 1 @ 100", "9 buy #501 20 @ 200", "78 buy #502 1 @ 100")
    # A tier that no market has is found out after everything was reserved.
    tiers = [9, 0, 9]
    whole, cut = Desk(one_market()), Desk(one_market(), restart=True, event_limit=4)
    for desk in (whole, cut):
        desk.run(makers)
    before = cut.slices
    outcomes = [desk.run(batch, tiers) for desk in (whole, cut)]

    assert cut.slices == before + 6
    assert refusals(outcomes[1]) == ["BAD_TIER", "BAD_TIER"]
    assert outcomes[0].events.tobytes() == outcomes[1].events.tobytes()
    assert whole.available == cut.available


def test_many_refusals_are_cut_too() -> None:
    """A batch of which nothing may run gives back what it reserved in slices."""
    desk = Desk(one_market(), posting_limit=10)
    batch = resting(Side.SELL, np.full(95, 100))
    outcome = desk.run(batch, [9] * 95)

    assert refusals(outcome) == ["BAD_TIER"] * 95
    assert desk.slices == 10
    assert not any(desk.available.values())


def test_what_waits_goes_before_any_other_batch() -> None:
    """While slices wait no batch runs, and what is refused so changes nothing."""
    desk = Desk(one_market(), event_limit=1)
    batch = commands("1 sell #1 5 @ 100", "2 buy #2 5 @ 100")
    asked = desk.partition.reservations(batch)
    desk.partition.process(batch, np.zeros(2, np.uint8), asked.amount)
    before = desk.partition.snapshot()

    assert desk.partition.pending == 2
    with pytest.raises(BatchPending, match="2 slices of the last batch wait"):
        desk.partition.process(batch, np.zeros(2, np.uint8), asked.amount)
    assert desk.partition.snapshot() == before
    desk.partition.check_invariants()

    assert [len(desk.partition.proceed().events) for _ in range(2)] == [1, 1]
    with pytest.raises(ValueError, match="no slice of a batch waits"):
        desk.partition.proceed()
    assert desk.partition.pending == 0
    assert desk.run(commands("1 sell #3 1 @ 100")).events["kind"].tolist() == [1]


def test_a_batch_that_just_fits_is_not_cut() -> None:
    """A limit that the last event reaches leaves nothing to wait."""
    batch = commands("1 sell #1 5 @ 100", "2 buy #2 5 @ 100")
    for limits in ({"event_limit": 3}, {"posting_limit": 4}):
        desk = Desk(one_market(), **limits)
        desk.run(batch)
        assert desk.slices == 1


def test_limits_are_at_least_one() -> None:
    """A limit of nothing would leave no room for an event."""
    for limits in ({"posting_limit": 0}, {"event_limit": -1}, {"event_limit": 2**31}):
        with pytest.raises(ValueError, match="between 1 and 2"):
            Partition(one_market(), 0, **limits)


def test_pending_slices_are_part_of_the_state() -> None:
    """Partitions differ in hash and snapshot while something waits, and agree when it is taken."""
    batch = commands("1 sell #1 5 @ 100", "2 buy #2 5 @ 100")
    cut, whole = Partition(one_market(), 0, event_limit=1), Partition(one_market(), 0)
    for partition in (cut, whole):
        amounts = partition.reservations(batch).amount
        partition.process(batch, np.zeros(2, np.uint8), amounts)

    hashes = {whole.state_hash(), cut.state_hash()}
    cut.proceed()
    hashes.add(cut.state_hash())
    assert len(hashes) == 3
    cut.proceed()
    assert cut.state_hash() == whole.state_hash()
    assert cut.snapshot() == whole.snapshot()


@given(
    seed=st.integers(0, 2**32),
    size=st.integers(1, 40),
    broke=st.frozensets(st.integers(1, 5), max_size=2),
    posting_limit=st.sampled_from([1, 2, 3, 4, 5, 6, 7, 40]),
    event_limit=st.sampled_from([1, 2, 3, 5, 8, 40]),
    restart=st.booleans(),
)
@settings(deadline=None, max_examples=settings().max_examples // 2)
def test_slices_add_up(
    seed: int, size: int, broke: frozenset[int], posting_limit: int, event_limit: int, restart: bool
) -> None:
    """Any stream cut by any limits is, in all, what it is without; each slice is sound alone."""
    whole = Desk(three_markets(), broke=broke)
    limits = {"posting_limit": posting_limit, "event_limit": event_limit}
    cut = Desk(three_markets(), broke=broke, restart=restart, **limits)
    stream, tiers = random_commands(seed, 4 * size)
    for at in range(0, 4 * size, size):
        batch, of_them = stream[at : at + size], tiers[at : at + size].tolist()
        one, many = whole.run(batch, of_them), cut.run(batch, of_them)
        assert one.events.tobytes() == many.events.tobytes()
        assert one.markets.tobytes() == many.markets.tobytes()
        assert whole.available == cut.available
    assert whole.partition.state_hash() == cut.partition.state_hash()


def test_one_order_through_fifty_thousand_makers() -> None:
    """With the usual limits it takes four slices, each within them, and all money arrives."""
    makers = 50_000
    partition = Partition(one_market(), 0)
    prices = np.repeat(np.arange(100, 600), 100)
    buy = commands(f"1000000 buy #1000000 {makers} @ 1000 market")
    for batch in (resting(Side.SELL, prices), buy):
        asked = partition.reservations(batch)
        slices = [partition.process(batch, np.zeros(len(batch), np.uint8), asked.amount)]
    held = partition.held_totals() + partition.pending_held()
    settled = [slices[0].postings["held"][slices[0].postings["asset"] == k].sum() for k in (0, 1)]
    assert held.tolist() == [makers * LOT + settled[0], int(asked.amount[0]) + settled[1]]
    while partition.pending:
        slices.append(partition.proceed())

    # A maker has two postings, the taker two.
    assert len(slices) == 4
    assert [len(one.events) for one in slices[:3]] == [16_384, 16_383, 16_383]
    for one in slices:
        assert len(one.postings) <= POSTING_LIMIT + 4
        assert len(one.events) <= EVENT_LIMIT
    events = np.concatenate([one.events for one in slices])
    assert events["maker_id"][1:].tolist() == list(range(1, makers + 1))
    postings = np.concatenate([one.postings for one in slices])
    cost = int(prices.sum()) * TICK_LOT
    earned = prices * TICK_LOT - prices * TICK_LOT // 100
    of_makers = postings[(postings["asset"] == 1) & (postings["account"] != 0)]
    of_makers = of_makers[of_makers["account"] <= makers]
    assert of_makers["available"].tolist() == earned.tolist()
    taker = postings[postings["account"] == 1_000_000]
    assert taker["available"][taker["asset"] == 0].sum() == makers * (LOT - 2)
    assert taker["available"][taker["asset"] == 1].sum() == int(asked.amount[0]) - cost
    assert taker["held"].sum() == -int(asked.amount[0])
    fees = postings[(postings["account"] == 0) & (postings["asset"] == 1)]
    assert fees["available"].sum() == cost - earned.sum()
    assert not partition.held_totals().any()
