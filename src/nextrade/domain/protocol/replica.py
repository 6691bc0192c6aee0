"""The state of a partition that batches change, live and again at a take-over.

Nothing here calls a port. ``plan`` says what a batch needs reserved, ``run`` (or ``proceed``,
``void``, ``give_tiers``) makes the batch and says what must be committed, settled and published.
``replay`` does the same from an entry of the book store.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ...dtypes import EVENT_DTYPE, LEVEL_DTYPE
from ...errors import StoreError
from ..buckets import buckets_of_accounts
from ..listings import Listings
from ..listings_text import pack_listings
from ..partition import Outcome, Partition, Reservations
from ..postings import NAMED_REQUEST_DTYPE, POSTING_DTYPE, REQUEST_DTYPE
from .asking import reserves_of
from .entries import ENDING_DTYPE, Entry, EntryKind, read_entry, write_entry
from .frames import Verdict
from .limits import Limits
from .listing_changes import Units, decide
from .messages import CLIENT_ORDER_DTYPE, write_messages
from .naming import NAME_REFUSALS, of_orders
from .ports import Answer, Granted, Reserve, Settle
from .remembered import Remembered
from .sums import BucketSums

__all__ = ["Done", "Plan", "Replica"]

_FIRST_REASON = 128
"""In place of a grant: the command was refused before it could ask."""
_HELD = int(Granted.HELD)
_NO_U32 = np.zeros(0, np.uint32)
_NO_POSTINGS = np.zeros(0, POSTING_DTYPE)
_NO_IDS = np.zeros(0, CLIENT_ORDER_DTYPE)
_NO_LEVELS = np.zeros(0, LEVEL_DTYPE)


class Plan(NamedTuple):
    """A batch of frames before it runs."""

    time_ns: int
    frames: npt.NDArray[np.void]
    commands: npt.NDArray[np.void]
    asked: Reservations
    reserves: list[Reserve]
    rows: npt.NDArray[np.int64]
    """The commands that ask for something, in the order of ``reserves``."""
    refused: npt.NDArray[np.uint8] | None = None
    """Of each command why it does not even ask, 0 if it does; None if that is so of all."""
    names: npt.NDArray[np.void] | None = None
    """The client order ids (NAME_DTYPE) of its commands; None if there are none."""


class Done(NamedTuple):
    """A batch that ran: what must follow from it."""

    batch: int
    entry: bytes
    settles: list[Settle]
    messages: list[bytes]
    reserves: Sequence[Reserve] = ()
    """What its frames had asked of the ledger."""
    granted: bytes = b""
    """A byte for each of these requests, see ``Granted``."""
    objection: str = ""
    """Why listings were refused."""


class Replica:
    """A partition with all that its batches need: frames that ended, fee tiers, the chain.

    ``listings`` are those that it begins with; the current ones are ``partition.listings``.

    ``heads[b]`` is the last batch that touches bucket ``b`` of the ledger, which has ``buckets``.
    """

    def __init__(
        self,
        listings: Listings,
        number: int,
        buckets: int,
        limits: Limits,
        partition: Partition | None = None,
    ) -> None:
        self.number = number
        self.buckets = buckets
        if partition is None:
            partition = Partition(
                listings,
                number,
                posting_limit=limits.posting_limit,
                event_limit=limits.event_limit,
            )
        self.partition = partition
        self.batch = 0
        self.time_ns = 0
        self.heads = [0] * buckets
        self.sums = BucketSums(buckets, len(partition.listings.assets))
        self._units = Units(partition)
        self.tiers: dict[int, int] = {}
        self.remembered = Remembered(limits.remembered)

    # --- a batch of commands -------------------------------------------------------------------

    def plan(
        self,
        frames: npt.NDArray[np.void],
        commands: npt.NDArray[np.void],
        now_ns: int,
        versions: Sequence[int] = (),
        names: npt.NDArray[np.void] | None = None,
    ) -> Plan:
        """Stamp the commands of these frames and say what each bucket must hold for them.

        ``versions``: of each frame, by which listings it was made, 0 for any. ``names``: client
        order ids of some commands (NAME_DTYPE).
        """
        time_ns = max(now_ns, self.time_ns)
        commands["timestamp_ns"] = time_ns
        stale = self._units.stale(frames, commands, versions)
        return self._planned(frames, commands, time_ns, stale, names)

    def _planned(
        self,
        frames: npt.NDArray[np.void],
        commands: npt.NDArray[np.void],
        time_ns: int,
        refused: npt.NDArray[np.uint8] | None,
        names: npt.NDArray[np.void] | None,
    ) -> Plan:
        asked = self.partition.reservations(commands)
        if refused is not None:
            asked.amount[refused != 0] = 0
        reserves, rows = reserves_of(frames, commands, asked, names, self.heads)
        return Plan(time_ns, frames, commands, asked, reserves, rows, refused, names)

    def run(self, plan: Plan, answers: Sequence[Sequence[bytes]]) -> Done:
        """Run a planned batch with the ledger's answers to its ``reserves``."""
        granted = np.ones(len(plan.commands), np.uint8)
        if plan.refused is not None:
            granted = np.where(plan.refused != 0, plan.refused, granted)
        if plan.reserves:
            said = b"".join([answer for some in answers for answer in some])
            granted[plan.rows] = np.frombuffer(said, np.uint8)
        entry = Entry(
            EntryKind.RUN,
            self.batch + 1,
            plan.time_ns,
            plan.frames,
            plan.commands,
            self._tiers_of(plan.commands),
            granted,
        )
        if plan.names is not None:
            entry = entry._replace(names=plan.names)
        return self._run(entry, plan)

    def _run(self, entry: Entry, plan: Plan) -> Done:
        endings: dict[int, list[int]] = {
            reserve.bucket: [ask.frame for ask in reserve.frames] for reserve in plan.reserves
        }
        amounts = np.where(entry.granted == _HELD, plan.asked.amount, -1)
        if plan.names is not None:
            for answer, refusal in NAME_REFUSALS.items():
                amounts[entry.granted == answer] = -refusal
        if plan.refused is not None:
            amounts = np.where(plan.refused != 0, -plan.refused.astype(np.int64), amounts)
        if len(entry.records):
            outcome = self.partition.process(entry.records, entry.tiers, amounts, levels=True)
        else:
            outcome = _nothing()
        rows = plan.rows[entry.granted[plan.rows] == _HELD]
        if len(rows):
            buckets = buckets_of_accounts(plan.asked.account[rows], self.buckets)
            self.sums.reserve(buckets, plan.asked.asset[rows], plan.asked.amount[rows])
        granted = entry.granted[plan.rows].tobytes()
        done = self._done(entry, outcome, endings)
        return done._replace(reserves=plan.reserves, granted=granted)

    def _tiers_of(self, commands: npt.NDArray[np.void]) -> npt.NDArray[np.uint8]:
        if not self.tiers:
            return np.zeros(len(commands), np.uint8)
        known = self.tiers
        return np.array([known.get(owner, 0) for owner in commands["owner"].tolist()], np.uint8)

    # --- other batches -------------------------------------------------------------------------

    def proceed(self) -> Done:
        """The next part of what did not fit the batch before; see ``Partition.pending``."""
        entry = Entry(EntryKind.PROCEED, self.batch + 1, self.time_ns)
        return self._proceed(entry)

    def _proceed(self, entry: Entry) -> Done:
        return self._done(entry, self.partition.proceed(), {})

    def give_tiers(
        self, frame: npt.NDArray[np.void], tiers: npt.NDArray[np.void], now_ns: int
    ) -> Done:
        """Give accounts (TIER_DTYPE) their fee tiers, for orders from the next batch on."""
        time_ns = max(now_ns, self.time_ns)
        return self._give_tiers(Entry(EntryKind.TIERS, self.batch + 1, time_ns, frame, tiers))

    def _give_tiers(self, entry: Entry) -> Done:
        for account, tier in entry.records.tolist():
            # 255 is no market's tier: the door refuses an order with it.
            self.tiers[account] = min(tier, 255)
        return self._done(entry, _nothing(), {})

    def relist(self, frame: npt.NDArray[np.void], text: bytes, now_ns: int) -> Done:
        """Take on new listings, from the next batch on, or refuse them: see ``decide``."""
        time_ns = max(now_ns, self.time_ns)
        records = np.frombuffer(text, np.uint8)
        return self._relist(Entry(EntryKind.LISTINGS, self.batch + 1, time_ns, frame, records))

    def _relist(self, entry: Entry) -> Done:
        objection = decide(self.partition, entry.records.tobytes())
        self._units = Units(self.partition)
        self.sums.grow(len(self.partition.listings.assets))
        frames = entry.frames.copy()
        frames["verdict"] = Verdict.LISTINGS_REFUSED if objection else Verdict.RUN
        listings = pack_listings(self.partition.listings)
        done = self._done(entry._replace(frames=frames), _nothing(), {}, listings)
        return done._replace(objection=objection)

    def void(
        self,
        frame: npt.NDArray[np.void],
        identity: int,
        answers: Sequence[Answer],
        now_ns: int,
    ) -> Done:
        """End a frame without running it; what buckets hold under the id goes back."""
        endings = [(answer.bucket, 0, identity) for answer in answers]
        entry = Entry(
            EntryKind.VOID,
            self.batch + 1,
            max(now_ns, self.time_ns),
            frame,
            _returned(answers),
            endings=np.array(endings, ENDING_DTYPE),
        )
        return self._void(entry)

    def _void(self, entry: Entry) -> Done:
        endings: dict[int, list[int]] = {}
        for bucket, _, identity in entry.endings.tolist():
            endings.setdefault(bucket, []).append(identity)
        outcome = _nothing()._replace(postings=entry.records)
        # What goes back was reserved and never counted, for its frame did not run.
        returned = entry.records
        buckets = buckets_of_accounts(returned["account"], self.buckets)
        self.sums.reserve(buckets, returned["asset"], -returned["held"])
        return self._done(entry, outcome, endings)

    # --- what follows --------------------------------------------------------------------------

    def _done(
        self,
        entry: Entry,
        outcome: Outcome,
        endings: dict[int, list[int]],
        listings: bytes = b"",
    ) -> Done:
        self.batch, self.time_ns = entry.batch, entry.time_ns
        self.remembered.add(entry.frames)
        ids = of_orders(entry.records, entry.names) if len(entry.names) else _NO_IDS
        digest = zlib.crc32(outcome.postings.tobytes(), zlib.crc32(outcome.events.tobytes()))
        return Done(
            entry.batch,
            write_entry(entry, digest),
            self._settles(entry, outcome.postings, endings),
            write_messages(
                self.number,
                entry.batch,
                entry.time_ns,
                entry.frames,
                outcome.events,
                outcome.markets,
                outcome.levels,
                outcome.level_markets,
                listings,
                goes_on=self.partition.pending > 0,
                ids=ids,
            ),
        )

    def _settles(
        self, entry: Entry, postings: npt.NDArray[np.void], endings: dict[int, list[int]]
    ) -> list[Settle]:
        """What the batch does to each bucket that it touches; the chain goes on from there."""
        parts: dict[int, bytes] = {}
        if len(postings):
            buckets = buckets_of_accounts(postings["account"], self.buckets)
            self.sums.post(buckets, postings)
            order = np.argsort(buckets, kind="stable")
            buckets = buckets[order]
            text, size = postings[order].tobytes(), POSTING_DTYPE.itemsize
            cuts = [0, *(np.flatnonzero(buckets[1:] != buckets[:-1]) + 1).tolist(), len(postings)]
            for start, end in pairwise(cuts):
                parts[int(buckets[start])] = text[size * start : size * end]
        touched = sorted({*parts, *endings})
        bits = bytearray((self.buckets + 7) // 8)
        for bucket in touched:
            bits[bucket // 8] |= 1 << bucket % 8
        batch, void = entry.batch, entry.kind == EntryKind.VOID
        settles = [
            Settle(
                bucket,
                batch,
                self.heads[bucket],
                bytes(bits),
                parts.get(bucket, b""),
                tuple(endings.get(bucket, ())),
                void,
                strict=True,
            )
            for bucket in touched
        ]
        for bucket in touched:
            self.heads[bucket] = batch
        return settles

    # --- again ---------------------------------------------------------------------------------

    def replay(self, text: bytes) -> Done:
        """Do the batch of an entry again; raises StoreError if it is another, or gives another
        outcome than it gave at first."""
        entry, digest = read_entry(text)
        if entry.batch != self.batch + 1:
            raise StoreError(
                f"the entry of batch {entry.batch} of partition {self.number} follows batch"
                f" {self.batch}"
            )
        if entry.kind == EntryKind.RUN:
            refused = entry.granted if (entry.granted >= _FIRST_REASON).any() else None
            if refused is not None:
                refused = np.where(refused >= _FIRST_REASON, refused, np.uint8(0))
            names = entry.names if len(entry.names) else None
            plan = self._planned(entry.frames, entry.records, entry.time_ns, refused, names)
            done = self._run(entry, plan)
        elif entry.kind == EntryKind.PROCEED:
            if not self.partition.pending:
                raise StoreError(f"batch {entry.batch} goes on with a batch that was complete")
            done = self._proceed(entry)
        elif entry.kind == EntryKind.TIERS:
            done = self._give_tiers(entry)
        elif entry.kind == EntryKind.LISTINGS:
            done = self._relist(entry)
        else:
            done = self._void(entry)
        if read_entry(done.entry)[1] != digest or (
            entry.kind == EntryKind.LISTINGS and done.entry != text
        ):
            raise StoreError(
                f"batch {entry.batch} of partition {self.number} has another outcome now than when"
                " it was committed: this build does not follow the rules of the one that wrote it"
            )
        return done


def _nothing() -> Outcome:
    return Outcome(np.zeros(0, EVENT_DTYPE), _NO_U32, _NO_POSTINGS, _NO_LEVELS, _NO_U32)


def _returned(answers: Sequence[Answer]) -> npt.NDArray[np.void]:
    """Postings that give back all that these answers hold."""
    sums: dict[tuple[int, int], int] = {}
    for answer in answers:
        dtype = NAMED_REQUEST_DTYPE if answer.named else REQUEST_DTYPE
        requests = np.frombuffer(answer.requests, dtype).tolist()
        for (account, asset, amount, *_), granted in zip(requests, answer.granted, strict=True):
            if granted == Granted.HELD:
                sums[account, asset] = sums.get((account, asset), 0) + amount
    rows = [(account, asset, held, -held) for (account, asset), held in sorted(sums.items())]
    return np.array(rows, POSTING_DTYPE)
