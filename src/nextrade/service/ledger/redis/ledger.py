"""The ledger on Redis: one hash for each bucket of accounts, changed only by functions there.

A call goes to every bucket that it touches, all of them at the same time. Each bucket does its
part wholly or not at all. So a call of several parts that raises LedgerUnavailable may have
taken effect in some buckets: repeat it, and the rest follows.
"""

import struct
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Self

import numpy as np
import numpy.typing as npt

from ...._balances import ASSETS
from ....domain.protocol.ports import Ask, Reserve, Settle
from ....errors import Gap, LedgerError, ReferenceReused, UnknownReference
from ..protocol import (
    as_postings,
    as_requests,
    check_batch,
    check_entry,
    check_postings,
    check_reference,
    wanted_balances,
)
from . import kept_ids, looking
from .batches import BucketBatches, fenced
from .bucket_map import BUCKETS, BucketMap
from .bucket_state import names_in
from .calls import call, check, fence_record, packed_call
from .chains import Chain
from .codes import VERSION, Answer, Call, HoldState, Purpose
from .link import packed
from .shards import PATIENCE_S, ClusterShards, NamedShards, Shards

__all__ = ["RedisLedger"]

_CLAIM = struct.Struct("<BIIqI")


class RedisLedger:
    """A Ledger on Redis servers; see ``Ledger`` for what each call does.

    ``shards`` gives the address of each shard by its name: "host:port", or the path of a
    socket; or it is a NamedShards or ClusterShards, which know passwords and TLS. Raises
    WrongMap or WrongLibrary if they hold no ledger that this version can use.
    """

    def __init__(
        self,
        shards: Mapping[str, str] | NamedShards | ClusterShards,
        patience_s: float = PATIENCE_S,
    ) -> None:
        self.shards = Shards(_placement(shards), patience_s=patience_s)
        self.shards.check_library()
        self.map = self.shards.map
        self.batches = BucketBatches(self.shards)
        self._chains: dict[int, Chain] = {}
        # By partition and frame: the buckets that keep an answer to it.
        self._frames: dict[tuple[int, int], tuple[int, ...]] = {}

    @classmethod
    def found(
        cls,
        shards: Mapping[str, str] | NamedShards | ClusterShards,
        buckets: int = BUCKETS,
        patience_s: float = PATIENCE_S,
    ) -> Self:
        """Found a ledger on empty servers, or finish doing so, and return it.

        Raises WrongMap if the servers hold a ledger that was founded otherwise.
        """
        placement = _placement(shards)
        names = tuple(placement.by_name) if isinstance(placement, NamedShards) else ()
        new = Shards(placement, BucketMap.founded(names, buckets), patience_s)
        new.store_map()
        new.load_library()
        terms = struct.pack("<Iq", VERSION, new.map.share)
        call(new, Call.FOUND, [(bucket, (terms,)) for bucket in range(buckets)])
        new.close()
        return cls(shards, patience_s)

    def close(self) -> None:
        """Close all connections."""
        self.shards.close()

    def load_library(self) -> None:
        """Put this version's functions on every server, in place of those of another version."""
        self.shards.load_library()

    # --- batches -------------------------------------------------------------------------------

    def open_partition(self, partition: int, epoch: int) -> int:
        """Take a partition over; return the last batch that is settled in every bucket."""
        settled = [text for text, _ in fenced(self.shards, partition, epoch)]
        self._chains[partition] = Chain.of(epoch, settled)
        return self._chains[partition].settled

    def _chain(self, partition: int, epoch: int) -> Chain:
        """What is known of a partition's batches; reads it anew for another epoch."""
        chain = self._chains.get(partition)
        if chain is None or chain.epoch != epoch:
            self.open_partition(partition, epoch)
            chain = self._chains[partition]
        return chain

    def reserve(
        self, partition: int, epoch: int, frame_id: int, requests: npt.NDArray[np.void]
    ) -> npt.NDArray[np.bool_]:
        """Hold what each request asks for, in order; tell which could be had."""
        requests = as_requests(requests)
        chain = self._chain(partition, epoch)
        amounts = requests["amount"]
        if len(requests) and (amounts.min() < 0 or requests["asset"].max() >= ASSETS):
            raise ValueError(f"an asset lies below {ASSETS:,}, and no amount is negative")
        granted = np.ones(len(requests), np.bool_)
        rows, groups = self._grouped(requests, np.flatnonzero(amounts))
        known = self._frames.setdefault((partition, frame_id), ())
        self._frames[partition, frame_id] = tuple({*known, *(bucket for bucket, _ in groups)})
        reserves = [
            Reserve(bucket, chain.watermarks[bucket], (Ask(frame_id, part),))
            for bucket, part in groups
        ]
        try:
            answers = self.batches.turn(partition, epoch, [], reserves)
        except Gap:
            # What is known here of the buckets is old: it is read anew before the next attempt.
            self._chains.pop(partition, None)
            raise
        if answers:
            text = b"".join(answer for (answer,) in answers)
            granted[rows] = np.frombuffer(text, np.uint8).astype(np.bool_)
        return granted

    def settle(
        self,
        partition: int,
        epoch: int,
        batch: int,
        postings: npt.NDArray[np.void],
        frames: Sequence[int] = (),
    ) -> None:
        """Apply a batch's postings exactly once, and forget the frames' answers."""
        postings = as_postings(postings)
        check_batch(partition, epoch, batch)
        chain = self._chain(partition, epoch)
        if batch <= chain.settled:
            # Another worker may have taken over since; then even this must say so.
            record = fence_record(partition, epoch)
            call(self.shards, Call.FENCE, [(partition % self.map.buckets, (record,))])
            return
        if batch != chain.settled + 1:
            raise Gap(
                f"batch {batch} of partition {partition} cannot be settled "
                f"after batch {chain.settled}"
            )
        check_postings(postings)
        _, groups = self._grouped(postings, np.arange(len(postings)))
        parts = dict(groups)
        endings = self._endings(partition, frames)
        touched = chain.begin({*parts, *endings} or {partition % self.map.buckets})
        bits = bytearray((self.map.buckets + 7) // 8)
        for bucket in touched:
            bits[bucket // 8] |= 1 << bucket % 8
        settles = [
            Settle(
                bucket,
                batch,
                chain.watermarks[bucket],
                bytes(bits),
                parts.get(bucket, b""),
                tuple(endings.get(bucket, ())),
            )
            for bucket in touched
            if chain.watermarks[bucket] != batch
        ]
        try:
            self.batches.turn(partition, epoch, settles, [])
        except LedgerError:
            # What each bucket did is not known here: it is read anew before the next attempt.
            self._chains.pop(partition, None)
            raise
        chain.finish(batch, touched)
        for frame in frames:
            self._frames.pop((partition, int(frame)), None)

    def _endings(self, partition: int, frames: Sequence[int]) -> dict[int, list[int]]:
        """By bucket: the frames whose answers it may now forget."""
        endings: dict[int, list[int]] = {}
        for frame in frames:
            # A frame that another worker reserved for may have an answer anywhere.
            buckets = self._frames.get((partition, int(frame)), range(self.map.buckets))
            for bucket in buckets:
                endings.setdefault(bucket, []).append(int(frame))
        return endings

    def _grouped(
        self, records: npt.NDArray[np.void], rows: npt.NDArray[np.int64]
    ) -> tuple[npt.NDArray[np.int64], list[tuple[int, bytes]]]:
        """Those rows ordered by bucket, and for each bucket the bytes of its records in order."""
        if len(rows) == 0:
            return rows, []
        chosen = records[rows]
        buckets = self.map.of_accounts(chosen["account"])
        order = np.argsort(buckets, kind="stable")
        chosen, buckets = chosen[order], buckets[order]
        text, size = chosen.tobytes(), records.dtype.itemsize
        cuts = [0, *(np.flatnonzero(buckets[1:] != buckets[:-1]) + 1).tolist(), len(rows)]
        groups = [
            (int(buckets[start]), text[size * start : size * end]) for start, end in pairwise(cuts)
        ]
        return rows[order], groups

    # --- one change at a time ------------------------------------------------------------------

    def credit(self, reference: str, account: int, asset: int, amount: int) -> bool:
        """Add what came in from outside, once."""
        name, claim, before = self._claim(reference, Purpose.CREDIT, account, asset, amount)
        return self._once(Call.CREDIT, account, claim, name, before is not None)

    def hold(self, reference: str, account: int, asset: int, amount: int) -> bool:
        """Set aside what is to leave, once."""
        name, claim, before = self._claim(reference, Purpose.WITHDRAWAL, account, asset, amount)
        return self._once(Call.HOLD, account, claim, name, before is not None)

    def capture(self, reference: str) -> bool:
        """Let what was held leave for good, once."""
        account, claim, name, state = self._held(reference)
        return self._once(Call.CAPTURE, account, claim, name, state != HoldState.HELD)

    def refund(self, reference: str) -> bool:
        """Give back what was held, once."""
        account, claim, name, state = self._held(reference)
        return self._once(Call.REFUND, account, claim, name, state != HoldState.HELD)

    def transfer(
        self, reference: str, from_account: int, to_account: int, asset: int, amount: int
    ) -> bool:
        """Move an amount between accounts, once."""
        check_entry(to_account, asset, amount)
        if from_account == to_account:
            raise ValueError(f"a transfer needs two accounts, not twice {from_account}")
        name, claim, before = self._claim(
            reference, Purpose.TRANSFER, from_account, asset, amount, to_account
        )
        begun = self._once(Call.HOLD, from_account, claim, name, before is not None)
        # A sweeper may end it before we do: it is done once all the same, and by this call.
        return self._finish_transfer(claim, name) or begun

    def finish_transfers(self) -> int:
        """Finish what transfers left undone when their caller was interrupted; return how many."""
        finished = 0
        for bucket in range(self.map.buckets):
            ((names,),) = looking.read_fields(self.shards, [(bucket, [b"t"])])
            for name in names_in(names or b""):
                finished += self.finish_transfer(bucket, name)
        return finished

    def finish_transfer(self, bucket: int, name: bytes) -> bool:
        """Finish one that began in this bucket; False if it was finished, or never began."""
        ((entry,),) = looking.read_fields(self.shards, [(bucket, [b"on-hold:" + name])])
        return entry is not None and self._finish_transfer(entry[1:], name)

    def _finish_transfer(self, claim: bytes, name: bytes) -> bool:
        """Credit the other account and let the amount leave the first; False if done before."""
        _, account, _, _, other = _CLAIM.unpack(claim)
        self._one(Call.CREDIT, other, claim, name)
        return self._one(Call.CAPTURE, account, claim, name)

    def _claim(
        self,
        reference: str,
        purpose: Purpose,
        account: int,
        asset: int,
        amount: int,
        other_account: int = 0,
    ) -> tuple[bytes, bytes, bytes | None]:
        """Bind a reference to its details, for ever.

        Return its bytes, the claim, and what the account's bucket knew of it before this call.
        """
        name = check_reference(reference)
        check_entry(account, asset, amount)
        claim = _CLAIM.pack(purpose, account, asset, amount, other_account)
        bucket = self.map.of_reference(name)
        own = self.map.of_account(account)
        field = (b"credits:" if purpose == Purpose.CREDIT else b"on-hold:") + name
        # On one way there and back: what the call is about to change is looked at on the side.
        claimed, found = self.shards.exchange(
            [
                (bucket, packed_call(self.map, Call.CLAIM, bucket, claim, name)),
                (own, packed(b"HMGET", self.map.key(own), field)),
            ]
        )
        try:
            check(bucket, claimed)
        except ReferenceReused as error:
            raise ReferenceReused(f"reference {reference!r} belongs to another call") from error
        return name, claim, found[0]

    def _held(self, reference: str) -> tuple[int, bytes, bytes, int]:
        """Account, claim and bytes of the reference of a withdrawal, and how far it has come."""
        name = check_reference(reference)
        bucket = self.map.of_reference(name)
        ((claim,),) = looking.read_fields(self.shards, [(bucket, [b"claimed:" + name])])
        if claim is None or claim[0] != Purpose.WITHDRAWAL:
            raise UnknownReference(f"nothing was held under reference {reference!r}")
        account = _CLAIM.unpack(claim)[1]
        ((entry,),) = looking.read_fields(
            self.shards, [(self.map.of_account(account), [b"on-hold:" + name])]
        )
        return account, claim, name, entry[0] if entry else 0

    def _once(self, code: Call, account: int, claim: bytes, name: bytes, before: bool) -> bool:
        """Make one change; False if it was made before this call.

        A call whose reply was lost is sent again, and is then told that it was done before: by
        itself, unless that was so when it began.
        """
        again = self.shards.sent_again
        return self._one(code, account, claim, name) or (
            self.shards.sent_again != again and not before
        )

    def _one(self, code: Call, account: int, claim: bytes, name: bytes) -> bool:
        """Make one change in the bucket of an account; False if it was made before."""
        ((answer, *_),) = call(self.shards, code, [(self.map.of_account(account), (claim, name))])
        return bool(answer == Answer.DONE)

    # --- looking -------------------------------------------------------------------------------

    def balances(
        self, wanted: int | Sequence[tuple[int, int]] | npt.NDArray[np.void]
    ) -> npt.NDArray[np.void]:
        """Balances wanted, in their order; for one account, all that it has."""
        if isinstance(wanted, int | np.integer):
            return looking.account_balances(self.shards, int(wanted))
        records = wanted_balances(wanted)
        looking.read_pairs(self.shards, records)
        return records

    def totals(self) -> npt.NDArray[np.void]:
        """Sums of each asset that ever came in, ascending."""
        return looking.totals(self.shards)

    def bucket_totals(self, buckets: Iterable[int] | None = None) -> npt.NDArray[np.void]:
        """Sums that each bucket keeps (looking.BUCKET_TOTAL_DTYPE), ascending."""
        return looking.bucket_totals(self.shards, buckets)

    def outbox(self, bucket: int, most: int = 1000) -> list[looking.OutboxRecord]:
        """Changes outside batches that a bucket made and nobody has trimmed, oldest first."""
        return looking.outbox(self.shards, bucket, most)

    def client_orders(
        self, accounts: Sequence[int], texts: Sequence[bytes]
    ) -> npt.NDArray[np.void]:
        """What the client order id of each account stands for (KEPT_ID_DTYPE), in their order.

        Order 0 if the id is not kept. One round trip to each server.
        """
        return kept_ids.find(self.shards, accounts, texts)

    def trim_outbox(self, bucket: int, first_kept: int) -> None:
        """Remove the records before this number, once they were published."""
        call(self.shards, Call.TRIM, [(bucket, (struct.pack("<Q", first_kept),))])


def _placement(
    shards: Mapping[str, str] | NamedShards | ClusterShards,
) -> NamedShards | ClusterShards:
    return shards if isinstance(shards, NamedShards | ClusterShards) else NamedShards(shards)
