"""The event stream of a partition held against its book store."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import islice
from typing import Final

import numpy as np
import numpy.typing as npt

from ...domain.protocol.messages import Message, read_message
from ...errors import BadFrame, EventsMissing
from ..gateway.follower import Follower
from .books import Books
from .ended import EndedFrames
from .folding import EventFold

__all__ = ["StreamProof", "prove_stream"]

_MOST_NAMED: Final = 10
_MOST_FAULTS: Final = 40


@dataclass
class StreamProof:
    """What was found in the stream of one partition."""

    first_batch: int = 0
    """The first whole batch that is still there; 0 if none is."""
    last_batch: int = 0
    """Up to here it was compared."""
    messages: int = 0
    repeats: int = 0
    frames: int = 0
    orders_hash: str = ""
    """Of the open orders after the last batch, if they could be told."""
    faults: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)


def prove_stream(messages: Iterable[tuple[int, bytes]], books: Books) -> StreamProof:
    """Compare a stream, given from its beginning as offsets and messages, with the books.

    No more is taken of it than the books can judge. Every batch that is there must be told once
    and in order; those that the store still has an entry of, in the very words of the replay; and
    from the first one on, the open orders that follow from events must be those of the books.
    """
    proof = _Comparison(books)
    if books.compared_batch:
        for offset, text in messages:
            if proof.take(offset, text):
                break
        proof.finish()
    return proof.proof


class _Comparison:
    def __init__(self, books: Books) -> None:
        self.proof = StreamProof()
        self._books = books
        self._fold = EventFold()
        self._follower: Follower | None = None
        self._folds = True
        self._ended = EndedFrames()
        self._broken = False

    def take(self, offset: int, text: bytes) -> bool:
        """The next message; True if no more are needed."""
        books, proof = self._books, self.proof
        proof.messages += 1
        try:
            message = read_message(text)
            if self._follower is None and not self._begin(message):
                return False
            self._compare_words(offset, message, text)
            assert self._follower is not None
            told = self._follower.accept(message)
        except (BadFrame, EventsMissing) as error:
            self._wrong(f"at offset {offset}: {error}")
            self._broken = True
            return True
        proof.repeats = self._follower.repeats
        if told is not None and told.batch <= books.compared_batch:
            self._follow(told)
        return (self._follower.batch or 0) > books.compared_batch

    def _begin(self, message: Message) -> bool:
        """Whether this is the beginning of the first whole batch; decides where to fold from."""
        if message.first_index:
            return False
        books, first = self._books, message.batch
        self.proof.first_batch = first
        if first > 1 and first <= books.snapshot_batch + 1:
            self._fold.start(books.first_orders)
            self.proof.remarks.append(
                f"partition {books.number}: the stream begins with batch {first}; open orders were"
                f" followed from the snapshot of batch {books.snapshot_batch} on"
            )
            # What comes before the snapshot is passed over, and what is missing there is no fault.
            first = books.snapshot_batch + 1
        elif first > 1:
            self._folds = False
            self.proof.remarks.append(
                f"partition {books.number}: the stream begins with batch {first}, after the"
                f" snapshot of batch {books.snapshot_batch}: open orders were not compared with it"
            )
        self._follower = Follower(books.number, first)
        return True

    def _compare_words(self, offset: int, message: Message, text: bytes) -> None:
        """What the store has an entry of must be told in the words that its replay gives."""
        books = self._books
        if not books.snapshot_batch < message.batch <= books.batch:
            return
        if books.messages.get((message.batch, message.first_index)) != zlib.crc32(text):
            self._wrong(
                f"at offset {offset}: batch {message.batch} from fact {message.first_index} on"
                " tells something else than the book store"
            )

    def _follow(self, message: Message) -> None:
        self._ended.add(message.batch, message.frames)
        if self._folds:
            self._fold.fold(message.batch, message.events, message.markets)

    def finish(self) -> None:
        """At the end: is everything there, and are the open orders the same?"""
        books, proof = self._books, self.proof
        proof.frames, twice = self._ended.compare()
        for identity, before, batch in islice(twice, _MOST_FAULTS + 1):
            self._wrong(f"frame {identity} ends in batch {before} and in {batch}")
        self.proof.faults += [
            f"stream of partition {books.number}: {fault}"
            for fault in self._fold.faults[:_MOST_NAMED]
        ]
        after = self._follower.batch if self._follower else None
        if after is None or after <= books.compared_batch:
            if not self._broken:
                last = "it has none" if after is None else f"it ends with {after - 1}"
                self._wrong(f"batch {books.compared_batch} was confirmed by the broker, and {last}")
            proof.last_batch = (after or 1) - 1
            return
        proof.last_batch = books.compared_batch
        if not self._folds:
            return
        table = self._fold.table()
        proof.orders_hash = _hash(table)
        if proof.orders_hash != _hash(books.compared_orders):
            for fault in _differences(table, books.compared_orders):
                self._wrong(fault)

    def _wrong(self, what: str) -> None:
        if len(self.proof.faults) == _MOST_FAULTS:
            what = "more contradicts itself, which is not listed"
        elif len(self.proof.faults) > _MOST_FAULTS:
            return
        self.proof.faults.append(f"stream of partition {self._books.number}: {what}")


def _hash(orders: npt.NDArray[np.void]) -> str:
    return hashlib.blake2b(orders.tobytes(), digest_size=8).hexdigest()


def _differences(told: npt.NDArray[np.void], kept: npt.NDArray[np.void]) -> list[str]:
    """Which orders differ, a sentence each; only some if they are many."""
    events = {row[:2]: row[2:] for row in told.tolist()}
    store = {row[:2]: row[2:] for row in kept.tolist()}
    wrong = sorted(key for key in {*events, *store} if events.get(key) != store.get(key))
    found = [
        f"order {order_id} of market {market} is {_told(events.get((market, order_id)))} by its"
        f" events, and {_told(store.get((market, order_id)))} in the book store"
        for market, order_id in wrong[:_MOST_NAMED]
    ]
    if len(wrong) > _MOST_NAMED:
        found.append(f"{len(wrong) - _MOST_NAMED} more orders differ")
    return found


def _told(order: tuple[int, ...] | None) -> str:
    if order is None:
        return "not open"
    account, side, price, leaves = order
    return f"account {account}'s, {'sell' if side else 'buy'} {leaves} at {price}"
