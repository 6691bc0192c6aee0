"""The full proof of one bucket: every balance against its totals, and against what holds it."""

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from .bucket_state import BucketState, bucket_states, same_moment
from .codes import HoldState, Purpose
from .scanning import CLAIM, BucketWalk, walk
from .shards import Shards

__all__ = [
    "OrderHolds",
    "WalkSums",
    "compare_bucket",
    "compare_holds",
    "compare_totals",
    "walk_still",
]

OrderHolds = Mapping[tuple[int, int], int]
"""What open orders hold, by account and asset."""

_Sums = dict[int, int]
_Key = tuple[int, int]


def _none() -> _Sums:
    return defaultdict(int)


@dataclass
class WalkSums:
    """What the walk has found so far, over the buckets walked."""

    withdrawals: _Sums = field(default_factory=_none)
    """By asset: what open withdrawals hold."""
    transfers: _Sums = field(default_factory=_none)
    frames: _Sums = field(default_factory=_none)
    """By asset: what frames hold whose batch has not settled."""
    faults: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)


def compare_bucket(
    shards: Shards,
    bucket: int,
    order_holds: OrderHolds | None,
    names: Callable[[int], str],
    sums: WalkSums,
    attempts: int,
) -> None:
    """Walk a bucket and add to ``sums`` what it holds and what is wrong with it.

    One that never stands still is a remark, not a fault.
    """
    still = walk_still(shards, bucket, attempts)
    if still is None:
        sums.remarks.append(
            f"bucket {bucket} kept changing while it was walked: its balances were not compared"
        )
        return
    compare_totals(shards, *still, names, sums)
    compare_holds(shards, still[1], bucket, order_holds, names, sums)


def walk_still(
    shards: Shards, bucket: int, attempts: int, partitions: int = 0
) -> tuple[BucketState, BucketWalk] | None:
    """Walk a bucket that does not change meanwhile, trying so often; None if it always does."""
    for _ in range(attempts):
        before = bucket_states(shards, [bucket], partitions)
        found = walk(shards, bucket)
        if same_moment(before, bucket_states(shards, [bucket], partitions)):
            return before[0], found
    return None


def compare_totals(
    shards: Shards,
    state: BucketState,
    found: BucketWalk,
    names: Callable[[int], str],
    sums: WalkSums,
) -> None:
    """The balances and holds of a bucket against what it counts as it goes."""
    bucket, faults = state.bucket, sums.faults
    faults += found.faults
    available, held = _none(), _none()
    for (account, asset), (free, set_aside) in found.balances.items():
        available[asset] += free
        held[asset] += set_aside
        if min(free, set_aside) < 0:
            faults.append(
                f"account {account}, {names(asset)}: a balance is negative: available {free:,},"
                f" held {set_aside:,}"
            )
        if shards.map.of_account(account) != bucket:
            faults.append(
                f"account {account} has a balance in bucket {bucket} and belongs into bucket"
                f" {shards.map.of_account(account)}"
            )
    totals = state.sums()
    for asset in sorted({*totals, *available}):
        told = totals[asset][:2] if asset in totals else (0, 0)
        if told != (available[asset], held[asset]):
            faults.append(
                f"bucket {bucket}, {names(asset)}: its balances add up to {available[asset]:,}"
                f" available and {held[asset]:,} held, its totals say {told[0]:,} and {told[1]:,}"
            )
    if found.ids != state.ids:
        faults.append(
            f"bucket {bucket} keeps {found.ids:,} client order ids, and says {state.ids:,}"
        )
    holds = _none()
    for _, _, asset, amount in found.open_holds():
        holds[asset] += amount
    by_claims = {asset: amounts[1] for asset, amounts in state.outside_batches}
    faults += [
        f"bucket {bucket}, {names(asset)}: its withdrawals and transfers hold {holds[asset]:,}, its"
        f" totals say {by_claims.get(asset, 0):,}"
        for asset in sorted({*holds, *by_claims})
        if holds[asset] != by_claims.get(asset, 0)
    ]


def compare_holds(
    shards: Shards,
    found: BucketWalk,
    bucket: int,
    order_holds: OrderHolds | None,
    names: Callable[[int], str],
    sums: WalkSums,
) -> None:
    """What an account has held against its withdrawals, transfers, frames and orders."""
    expected: dict[_Key, int] = defaultdict(int)
    for entry in found.holds.values():
        purpose, account, asset, amount, _ = CLAIM.unpack_from(entry, 1)
        if entry[0] == HoldState.HELD:
            expected[account, asset] += amount
            (sums.withdrawals if purpose == Purpose.WITHDRAWAL else sums.transfers)[asset] += amount
    for frame in found.waiting:
        for account, asset, amount in frame.held:
            expected[account, asset] += amount
            sums.frames[asset] += amount
    for (account, asset), amount in (order_holds or {}).items():
        if shards.map.of_account(account) == bucket:
            expected[account, asset] += amount
    of_what = "withdrawals, transfers and frames"
    if order_holds is not None:
        of_what = f"orders, {of_what}"
    for key in sorted({*expected, *(key for key, (_, held) in found.balances.items() if held)}):
        held, needed = found.balances.get(key, (0, 0))[1], expected[key]
        if held < needed or (order_holds is not None and held != needed):
            sums.faults.append(
                f"account {key[0]}, {names(key[1])}: {held:,} is held, and its {of_what} hold"
                f" {needed:,}"
            )
