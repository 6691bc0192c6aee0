"""Proves the money of a ledger on Redis: bucket by bucket, over all buckets, field by field.

What a bucket counts as it goes must agree within itself at any moment. Sums over several
buckets hold only for one moment, so the sums are read twice: equal reads are one moment
(``bucket_state``). If the ledger changes faster than that, this is said, not taken for a fault.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from .bucket_state import BucketState, bucket_states, same_moment, wrapped
from .chains import Chain
from .link import packed
from .proof_walk import OrderHolds, WalkSums, compare_bucket
from .scanning import CLAIM, Progress, unseen
from .shards import Shards

__all__ = [
    "ATTEMPTS",
    "LedgerProof",
    "LedgerSums",
    "counted_twice",
    "fees_of",
    "in_flight",
    "prove",
    "transfer_faults",
    "within",
]

ATTEMPTS = 5
"""How often a ledger that changes is read again, in the hope of one moment."""

Names = Callable[[int], str]


@dataclass(frozen=True, slots=True)
class LedgerSums:
    """One asset over all buckets, in base units."""

    asset: int
    outside: int
    """What came in minus what was paid out."""
    available: int
    held: int
    fees: int
    """Of what is available, the exchange's own."""
    in_transfer: int
    """What unfinished transfers count on both sides."""
    in_settlement: int
    """What batches in flight have brought minus taken so far; zero between batches."""
    in_withdrawals: int
    """Of what is held, that of withdrawals, and of transfers that are under way."""
    in_orders: int
    """Of what is held, that of orders, and of frames whose batch has not settled."""
    in_frames: int | None = None
    """Of the latter, that of frames; None if nothing was walked."""
    order_list: int | None = None
    """What open orders hold by their own list; None if none was given."""
    to_settle: int | None = None
    """Of ``in_orders``, what committed batches will take that are not settled; None if nobody
    asked the book stores."""

    @property
    def holds(self) -> bool:
        """Whether everything is accounted for."""
        inside = self.available + self.held
        expected = self.outside + self.in_transfer + self.in_settlement
        if self.to_settle is not None:
            parts = (self.order_list or 0) + (self.in_frames or 0) + self.to_settle
            if parts != self.in_orders:
                return False
        return inside == expected and min(self.available, self.held, self.outside) >= 0


@dataclass(frozen=True, slots=True)
class LedgerProof:
    """What was proved, what contradicts itself, and what could not be compared."""

    assets: tuple[LedgerSums, ...]
    full: bool
    faults: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()

    @property
    def holds(self) -> bool:
        """Whether no contradiction was found."""
        return not self.faults


def prove(
    shards: Shards,
    *,
    full: bool = False,
    order_holds: OrderHolds | None = None,
    names: Names = str,
    progress: Progress = unseen,
) -> LedgerProof:
    """Prove by running totals, or balance by balance too if ``full``.

    ``order_holds`` is what open orders hold, by account and asset, as the book store has it;
    without, what is held is compared with withdrawals and transfers only. ``names`` gives the
    name of an asset for the texts. Raises LedgerUnavailable if a server does not answer.
    """
    states, moving, steady = _one_moment(shards)
    faults = [state.fault for state in states if state.fault]
    sound = [state for state in states if not state.fault]
    for state in sound:
        faults += within(state, names)
    remarks = []
    if faults and len(sound) < len(states):
        remarks.append("sums over all buckets were not compared, for some buckets are missing")
    elif steady:
        wrong, remarks = _across(sound, moving, names)
        faults += wrong
    else:
        remarks.append(
            "the ledger kept changing while it was read: sums over all buckets were not compared"
        )
    walked = WalkSums()
    if full:
        for done, state in enumerate(sound):
            progress(done, len(sound))
            compare_bucket(shards, state.bucket, order_holds, names, walked, ATTEMPTS)
        progress(len(sound), len(sound))
        faults, remarks = faults + walked.faults, remarks + walked.remarks
    if order_holds is None:
        remarks.append("what open orders hold was not compared: no list of open orders was given")
    fees = fees_of(shards, sound)
    return LedgerProof(
        tuple(_sums(sound, fees, order_holds, walked if full else None)),
        full,
        tuple(faults),
        tuple(remarks),
    )


def _one_moment(shards: Shards) -> tuple[list[BucketState], dict[int, int], bool]:
    """The state of all buckets, what transfers count twice by asset, and whether both belong
    to one moment.
    """
    states = bucket_states(shards)
    for _ in range(ATTEMPTS):
        moving = counted_twice(shards, states)
        again = bucket_states(shards)
        if same_moment(states, again):
            return states, moving, True
        states = again
    return states, {}, False


def counted_twice(shards: Shards, states: Sequence[BucketState]) -> dict[int, int]:
    """By asset: amounts of transfers that have reached one account and not left the other."""
    open_ = [(state.bucket, name) for state in states for name in state.transfers]
    entries = shards.exchange(
        [(b, packed(b"HGET", shards.map.key(b), b"on-hold:" + name)) for b, name in open_]
    )
    claims = [
        (name, CLAIM.unpack_from(entry, 1))
        for (_, name), entry in zip(open_, entries, strict=True)
        if entry and len(entry) == 1 + CLAIM.size
    ]
    asked = []
    for name, (_, _, _, _, other) in claims:
        bucket = shards.map.of_account(other)
        asked.append((bucket, packed(b"HEXISTS", shards.map.key(bucket), b"credits:" + name)))
    moving: dict[int, int] = defaultdict(int)
    for (_, claim), credited in zip(claims, shards.exchange(asked), strict=True):
        moving[claim[2]] += claim[3] if credited else 0
    return moving


def within(state: BucketState, names: Names) -> list[str]:
    """What contradicts itself in one bucket's sums."""
    faults = []
    for asset, (available, held, outside, transfers, settled) in state.sums().items():
        where = f"bucket {state.bucket}, {names(asset)}"
        if min(available, held) < 0:
            faults.append(f"{where}: a total is negative: available {available:,}, held {held:,}")
        if available + held != outside + transfers + settled:
            faults.append(
                f"{where}: available {available:,} + held {held:,}, and"
                f" {outside + transfers + settled:,} came in from outside, by transfers and by"
                " trades"
            )
    return faults


def _across(
    states: Sequence[BucketState], moving: Mapping[int, int], names: Names
) -> tuple[list[str], list[str]]:
    """Faults and remarks of the sums over all buckets at one moment."""
    faults, remarks = [], []
    transfers: dict[int, int] = defaultdict(int)
    settled: dict[int, dict[int, int]] = defaultdict(lambda: defaultdict(int))
    for state in states:
        for asset, sums in state.outside_batches:
            transfers[asset] += sums[3]
        for (partition, asset), (available, held) in state.batches:
            settled[partition][asset] += available + held
    for partition, by_asset in settled.items():
        if flight := in_flight(states, partition):
            remarks.append(flight)
            continue
        faults += [
            f"partition {partition}, {names(asset)}: what its trades moved adds up to {amount:,}"
            " over all buckets, and to zero it must"
            for asset, amount in ((asset, wrapped(amount)) for asset, amount in by_asset.items())
            if amount
        ]
    wrong, told = transfer_faults(transfers, moving, names)
    return faults + wrong, remarks + told


def transfer_faults(
    transfers: Mapping[int, int], moving: Mapping[int, int], names: Names
) -> tuple[list[str], list[str]]:
    """Faults and remarks of what buckets count in transfer, against unfinished transfers."""
    faults, remarks = [], []
    for asset in {**transfers, **moving}:
        told, expected = transfers.get(asset, 0), moving.get(asset, 0)
        if told != expected:
            faults.append(
                f"{names(asset)}: buckets count {told:,} in transfer, and unfinished transfers"
                f" {expected:,}"
            )
        elif expected:
            remarks.append(f"{names(asset)}: {expected:,} of unfinished transfers count twice")
    return faults, remarks


def in_flight(states: Sequence[BucketState], partition: int) -> str:
    """Which batch has settled in some of its buckets only; empty if none."""
    # Without the epoch, which stands before batch and bits.
    texts = [dict(state.watermarks).get(partition, b"")[8:] for state in states]
    chain = Chain.of(1, texts)
    if not chain.begun:
        return ""
    missing = sorted(b for b in chain.begun if chain.watermarks[b] <= chain.settled)
    return (
        f"partition {partition}: batch {chain.settled + 1} is in flight, it has not settled in"
        f" {'bucket' if len(missing) == 1 else 'buckets'} {', '.join(map(str, missing))}"
    )


def fees_of(shards: Shards, states: Sequence[BucketState]) -> dict[int, int]:
    """By asset: what account 0 has available."""
    bucket = shards.map.of_account(0)
    assets = [asset for state in states if state.bucket == bucket for asset in state.sums()]
    fields = [bytes(4) + asset.to_bytes(4, "little") for asset in assets]
    if not fields:
        return {}
    ((*values,),) = shards.exchange([(bucket, packed(b"HMGET", shards.map.key(bucket), *fields))])
    return {
        asset: int.from_bytes(value[:8], "little", signed=True) if value else 0
        for asset, value in zip(assets, values, strict=True)
    }


def _sums(
    states: Sequence[BucketState],
    fees: Mapping[int, int],
    order_holds: OrderHolds | None,
    walked: WalkSums | None,
) -> list[LedgerSums]:
    columns: dict[int, list[int]] = defaultdict(lambda: [0] * 7)
    for state in states:
        for asset, sums in state.sums().items():
            columns[asset][:5] = [a + b for a, b in zip(columns[asset], sums, strict=False)]
        for asset, (_, held, _, _) in state.outside_batches:
            columns[asset][5] += held
        for (_, asset), (_, held) in state.batches:
            columns[asset][6] += held
    orders: dict[int, int] = defaultdict(int)
    for (_, asset), amount in (order_holds or {}).items():
        orders[asset] += amount
    return [
        LedgerSums(
            asset,
            outside,
            available,
            held,
            fees.get(asset, 0),
            transfers,
            settled,
            in_withdrawals,
            wrapped(in_orders),
            None if walked is None else walked.frames[asset],
            None if order_holds is None else orders[asset],
        )
        for asset, (
            available,
            held,
            outside,
            transfers,
            settled,
            in_withdrawals,
            in_orders,
        ) in sorted(columns.items())
    ]
