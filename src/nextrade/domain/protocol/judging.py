"""What is to become of deliveries: run, end with a verdict, or only acknowledge again."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from ...errors import BadFrame
from .frames import Frame, FrameKind, Verdict, decode
from .messages import FRAME_ENTRY_DTYPE
from .ports import Delivery
from .remembered import Remembered

__all__ = ["REASONS", "Burial", "Group", "Judgement", "frame_record", "identity_of_bytes", "judge"]

REASONS: Final = {
    Verdict.UNDECODABLE: "it is no frame",
    Verdict.WRONG_PARTITION: "it names another partition than that of its queue",
    Verdict.REUSED_ID: "another frame had its id",
    Verdict.TOO_OLD: "it is older than the frames that are remembered: it may have run before",
    Verdict.DEAD_LETTERED: "it was delivered too often without an end",
    Verdict.ABANDONED: "it reserved, did not come again for long, and was given up",
    Verdict.LISTINGS_REFUSED: "the listings may not change as it says",
}


class Burial(NamedTuple):
    """A message that becomes a dead letter."""

    message: bytes
    reason: str
    identity: int


@dataclass
class Group:
    """Deliveries that make one batch."""

    kind: FrameKind
    deliveries: list[Delivery] = field(default_factory=list)
    records: list[tuple[int, int, int, int]] = field(default_factory=list)
    """Of each frame its id, checksum, number of commands that run, and verdict."""
    frames: list[Frame] = field(default_factory=list)
    """The frames that run."""
    burials: list[Burial] = field(default_factory=list)
    named: bool = False
    """Whether any of these frames brings client order ids."""

    def table(self) -> npt.NDArray[np.void]:
        """The records as FRAME_ENTRY_DTYPE."""
        return np.array([(*record, 0) for record in self.records], FRAME_ENTRY_DTYPE)


class Judgement(NamedTuple):
    """Deliveries, sorted."""

    groups: list[Group]
    """Batches to be made, in this order."""
    repeated: list[Delivery]
    """What ended before."""
    burials: list[Burial]
    """Of what ended before: what ought to be a dead letter and may not be one yet."""


def frame_record(identity: int, crc: int, records: int, verdict: int) -> npt.NDArray[np.void]:
    """One FRAME_ENTRY_DTYPE record."""
    return np.array([(identity, crc, records, verdict, 0)], FRAME_ENTRY_DTYPE)


def identity_of_bytes(message: bytes) -> int:
    """A number for a message that is no frame of its own here, above all frame ids."""
    return int.from_bytes(hashlib.blake2b(message, digest_size=8).digest(), "little") | 1 << 63


def judge(number: int, remembered: Remembered, deliveries: Sequence[Delivery]) -> Judgement:
    """Sort the deliveries of a partition's queue.

    A frame that came before goes alone: if it is the one that kills workers, it takes no other
    with it.
    """
    judge = _Judge(number, remembered)
    groups: list[Group] = []
    repeated = []
    alone = False
    for delivery in deliveries:
        group = judge.group_of(delivery)
        if group is None:
            repeated.append(delivery)
            continue
        last = groups[-1] if groups else None
        together = last is not None and last.kind == group.kind == FrameKind.COMMANDS
        if last is not None and together and not alone and not delivery.redelivered:
            last.deliveries += group.deliveries
            last.records += group.records
            last.frames += group.frames
            last.named |= group.named
        else:
            groups.append(group)
        alone = delivery.redelivered
    return Judgement(groups, repeated, judge.burials)


class _Judge:
    """Knows what ended before, and what else was delivered with it."""

    def __init__(self, number: int, remembered: Remembered) -> None:
        self.number = number
        self.remembered = remembered
        self.burials: list[Burial] = []
        self._seen: dict[int, int] = {}

    def group_of(self, delivery: Delivery) -> Group | None:
        """The batch that a delivery would make alone; None if it ended before, or its like is
        here already."""
        message = delivery.body
        if delivery.redelivered and self._ended_by_bytes(message):
            return None
        try:
            frame = decode(message)
        except BadFrame as error:
            return self._refused(delivery, message, Verdict.UNDECODABLE, str(error))
        if frame.partition != self.number:
            reason = f"it names partition {frame.partition}, and came to {self.number}"
            return self._refused(delivery, message, Verdict.WRONG_PARTITION, reason)
        if frame.kind == FrameKind.KNOCK:
            return None
        if frame.kind == FrameKind.VERDICT:
            return self._condemned(delivery, frame)
        identity = frame.identity
        if (ends := self._ended(message, identity, frame.crc)) is not None:
            return self._refused(delivery, message, ends) if ends else None
        self._seen[identity] = frame.crc
        if self.remembered.too_old(identity):
            return _sentence(delivery, message, identity, frame.crc, Verdict.TOO_OLD)
        kind, named = frame.kind, False
        if kind == FrameKind.NAMED:
            kind, named = FrameKind.COMMANDS, True
        records = len(frame.records) if kind == FrameKind.COMMANDS else 0
        record = (identity, frame.crc, records, int(Verdict.RUN))
        return Group(kind, [delivery], [record], [frame], named=named)

    def _ended(self, message: bytes, identity: int, crc: int) -> Verdict | None:
        """Whether a frame ended before: RUN then, or REUSED_ID if it was another of its id."""
        known = self.remembered.find(identity)
        if known is not None and known.verdict != Verdict.RUN:
            reason = REASONS[Verdict(known.verdict)]
            self.burials.append(Burial(message, reason, identity))
            return Verdict.RUN
        if known is None and identity not in self._seen:
            return None
        same = crc == (self._seen[identity] if known is None else known.crc)
        return Verdict.RUN if same else Verdict.REUSED_ID

    def _ended_by_bytes(self, message: bytes) -> bool:
        known = self.remembered.find(odd := identity_of_bytes(message))
        if known is None:
            return False
        self.burials.append(Burial(message, REASONS[Verdict(known.verdict)], odd))
        return True

    def _refused(
        self, delivery: Delivery, message: bytes, verdict: Verdict, reason: str = ""
    ) -> Group | None:
        """A message that is no frame of its own here: it is known by its bytes."""
        odd = identity_of_bytes(message)
        if self._ended_by_bytes(message) or odd in self._seen:
            return None
        self._seen[odd] = 0
        return _sentence(delivery, message, odd, 0, verdict, reason)

    def _condemned(self, delivery: Delivery, verdict: Frame) -> Group | None:
        """A message that was delivered too often: end it, unless it ended after all."""
        message, identity = verdict.about, verdict.identity
        # What has no id of a gateway (a knock has none at all) is known by its bytes.
        if identity == 0 or identity >> 63 or self._ended_by_bytes(message):
            return self._refused(delivery, message, verdict.verdict)
        crc = decode(message).crc
        if (ends := self._ended(message, identity, crc)) is not None:
            return self._refused(delivery, message, ends) if ends else None
        self._seen[identity] = crc
        # One that may have run shall not be taken for one that did not.
        old = self.remembered.too_old(identity)
        code = Verdict.TOO_OLD if old else verdict.verdict
        return _sentence(delivery, message, identity, crc, code)


def _sentence(
    delivery: Delivery, message: bytes, identity: int, crc: int, verdict: Verdict, reason: str = ""
) -> Group:
    burial = Burial(message, reason or REASONS[verdict], identity)
    record = (identity, crc, 0, int(verdict))
    return Group(FrameKind.VERDICT, [delivery], [record], [], [burial])
