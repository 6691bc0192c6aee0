"""Dead letters read: what a message was that could not be run, and what to send in its place."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from ...domain.listings import Listings
from ...domain.protocol.frames import (
    Frame,
    FrameKind,
    commands_frame,
    decode,
    identity_of,
    named_frame,
    tiers_frame,
)
from ...enums import CommandKind
from ...errors import BadFrame
from .words import in_words

__all__ = ["RETRIED_AS", "Letter", "grouped", "in_full", "renewed", "summary"]

_SHOWN_HEX = 4096
"""Bytes shown of a message that cannot be read."""


RETRIED_AS = "retried_as"
"""The header that notes under which id a letter is sent again."""


class Letter(NamedTuple):
    """A message in the queue of dead letters."""

    partition: int
    position: int
    """Its place in the queue when it was looked at, from 1."""
    body: bytes
    headers: Mapping[str, Any]
    tag: int
    """By which the broker knows it while it is looked at."""

    @property
    def identity(self) -> int:
        """The id of its frame; of what is no frame, a number made of its bytes."""
        return identity_of(self.body)

    @property
    def reason(self) -> str:
        """Why it is here, as whoever buried it said."""
        return str(self.headers.get("reason", ""))

    @property
    def time_ns(self) -> int:
        """When it was buried; 0 if that was not said."""
        time_ns = self.headers.get("time_ns", 0)
        return time_ns if isinstance(time_ns, int) else 0

    @property
    def retried_as(self) -> int:
        """The id that was noted for sending it again; 0 if none was."""
        identity = self.headers.get(RETRIED_AS, 0)
        return identity if isinstance(identity, int) and 0 < identity < 1 << 63 else 0

    @property
    def frame(self) -> Frame | None:
        """Its frame, if it can be read."""
        try:
            return decode(self.body)
        except BadFrame:
            return None

    @property
    def fault(self) -> str:
        """Why it cannot be read; empty if it can."""
        try:
            decode(self.body)
        except BadFrame as error:
            return str(error)
        return ""


def grouped(letters: Iterable[Letter]) -> list[list[Letter]]:
    """Copies of the same message together, in the order of the first of each.

    Two different messages with one id are no copies of each other.
    """
    groups: dict[bytes, list[Letter]] = {}
    for letter in letters:
        digest = hashlib.blake2b(letter.body, digest_size=16).digest()
        groups.setdefault(digest, []).append(letter)
    return list(groups.values())


def summary(letter: Letter) -> str:
    """One line on what it holds."""
    frame = letter.frame
    if frame is None:
        return letter.fault
    if frame.kind == FrameKind.TIERS:
        return f"{len(frame.records):,} fee tiers"
    if frame.kind == FrameKind.VERDICT:
        return f"verdict {frame.verdict.name} on a message of {len(frame.about):,} bytes"
    if frame.kind == FrameKind.KNOCK:
        return "a knock"
    if frame.kind == FrameKind.LISTINGS:
        return f"listings of {len(frame.records):,} bytes"
    kinds: list[int] = frame.records["kind"].tolist()
    counts = {kind: kinds.count(kind) for kind in sorted(set(kinds))}
    return ", ".join(f"{count:,} {_kind_name(kind)}" for kind, count in counts.items())


def _kind_name(kind: int) -> str:
    try:
        return CommandKind(kind).name
    except ValueError:
        return f"of unknown kind {kind}"


def in_full(listings: Listings, letter: Letter) -> dict[str, Any]:
    """Everything there is to say about it, as plain values."""
    said: dict[str, Any] = {
        "partition": letter.partition,
        "position": letter.position,
        "frame": letter.identity,
        "reason": letter.reason,
        "time_ns": letter.time_ns,
        "bytes": len(letter.body),
        "summary": summary(letter),
        "headers": {
            str(name): value if isinstance(value, int | str) else str(value)
            for name, value in letter.headers.items()
        },
    }
    frame = letter.frame
    if frame is None:
        said["hex"] = letter.body[:_SHOWN_HEX].hex()
    elif frame.kind in (FrameKind.COMMANDS, FrameKind.NAMED):
        said["commands"] = [in_words(listings, command) for command in frame.records]
        for row, text in frame.names.tolist():
            said["commands"][row]["client_order_id"] = text.decode("ascii")
    elif frame.kind == FrameKind.TIERS:
        said["tiers"] = [
            {"account": int(row["account"]), "tier": int(row["tier"])} for row in frame.records
        ]
    elif frame.kind == FrameKind.LISTINGS:
        said["listings"] = frame.records.tobytes()[4:].decode("utf-8", "replace")
    elif frame.kind == FrameKind.VERDICT:
        said["about"] = frame.about[:_SHOWN_HEX].hex()
    return said


def renewed(letter: Letter, new_identity: Callable[[], int]) -> tuple[int, int, bytes]:
    """What it holds as a new frame: its partition, its new id, its bytes.

    The old id is spent: a partition has given its verdict on it. Raises BadFrame if the letter
    cannot be sent again.
    """
    frame = decode(letter.body)
    if frame.kind not in (FrameKind.COMMANDS, FrameKind.NAMED, FrameKind.TIERS):
        raise BadFrame(f"{frame.kind.name.lower()}: the exchange's own, and not sent again")
    identity = new_identity()
    # Not the partition whose queue had it: that it was the wrong one may be why it is here.
    if frame.kind == FrameKind.TIERS:
        return frame.partition, identity, tiers_frame(frame.partition, identity, frame.records)
    # Its prices are still counted by the listings that its sender knew.
    if frame.kind == FrameKind.NAMED:
        # Its client order ids are free again: a frame that did not run keeps none.
        body = named_frame(frame.partition, identity, frame.records, frame.names, frame.listings)
        return frame.partition, identity, body
    body = commands_frame(frame.partition, identity, frame.records, frame.listings)
    return frame.partition, identity, body
