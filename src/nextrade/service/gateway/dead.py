"""Dead letters looked at, sent again, or dropped, a partition at a time.

A letter leaves the queue only after what replaces it is confirmed, or what is left of it is on
disk. If that is interrupted in between, the letter stays, and a person finds it again.

What is sent again must not run twice, wherever that is interrupted. So the id of the new frame is
noted before the frame is sent: a copy of the letter that names it goes to the end of the queue,
and only then the letter itself leaves. Whoever finds the copy sends the frame under that id, by
which the workers know it again.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from ...domain.listings import Listings
from ...errors import BadFrame, DataError
from .gateway import Publishes
from .letters import RETRIED_AS, Letter, grouped, in_full, renewed

__all__ = [
    "MOST_BYTES",
    "Retried",
    "Visit",
    "export",
    "letters_of",
    "remove",
    "retry",
    "select",
    "with_all_copies",
]

MOST_BYTES = 1 << 28
"""Letters that are looked at together take no more memory than this, or one letter."""

_CONFIRM_S = 30.0
_ALL = 1 << 62


class Found(Protocol):
    """A message as a visit finds it."""

    @property
    def tag(self) -> int:
        """By which it is removed."""
        ...

    @property
    def body(self) -> bytes:
        """Its bytes."""
        ...

    @property
    def headers(self) -> Mapping[str, Any]:
        """What was said of it."""
        ...


class Visit(Protocol):
    """A visit to a queue of dead letters."""

    def items(self, most: int, most_bytes: int) -> Iterator[Found]:
        """Its messages, in order."""
        ...

    def remove(self, tag: int) -> None:
        """Take one out for good."""
        ...


def letters_of(visit: Visit, partition: int, most: int) -> list[Letter]:
    """The letters of a partition's queue, in order, at most so many."""
    return [
        Letter(partition, position, item.body, item.headers, item.tag)
        for position, item in enumerate(visit.items(most, MOST_BYTES), 1)
    ]


def select(letters: Iterable[Letter], identities: frozenset[int] | None) -> list[list[Letter]]:
    """Copies of the same letter together; those of the given frame ids, None for all."""
    wanted = [one for one in letters if identities is None or one.identity in identities]
    return grouped(wanted)


def with_all_copies(visit: Visit, groups: list[list[Letter]]) -> list[list[Letter]]:
    """The same letters with those of their copies that lie further back in the queue.

    An id that was noted for a letter lies at the end, behind what was looked at.
    """
    by_body = {copies[0].body: list(copies) for copies in groups}
    if by_body:
        for item in visit.items(_ALL, _ALL):
            if (copies := by_body.get(item.body)) is not None:
                position = copies[-1].position + 1
                copies.append(
                    Letter(copies[0].partition, position, item.body, item.headers, item.tag)
                )
    return list(by_body.values())


class Retried(NamedTuple):
    """What came of sending a letter again."""

    letter: Letter
    copies: int
    identity: int
    """The id of the new frame; 0 if the letter cannot be sent again, and stays."""
    fault: str


def retry(
    visit: Visit,
    copies: list[Letter],
    listings: Listings,
    publisher: Publishes,
    new_identity: Callable[[], int],
    queue_of: Callable[[int], str],
    dead_queue: str,
) -> Retried:
    """Send a letter as a new frame; once that is confirmed, take all its copies out.

    ``copies`` are all that the queue has. The frame has the id that was noted for the letter, if
    it was sent again before and that was interrupted. Raises BusLost if a confirmation does not
    come: then the letter is still here.
    """
    letter = copies[0]
    noted = [one for one in copies if one.retried_as]
    try:
        # Several are noted where two people had a copy each: all must choose the same.
        old = min((one.retried_as for one in noted), default=0)
        partition, identity, body = renewed(letter, (lambda: old) if old else new_identity)
    except BadFrame as error:
        return Retried(letter, len(copies), 0, str(error))
    if partition not in listings.partitions:
        return Retried(letter, len(copies), 0, f"partition {partition} has no markets")
    if not noted:
        note = {**letter.headers, RETRIED_AS: identity}
        publisher.send(dead_queue, letter.body, str(letter.identity), note).result(_CONFIRM_S)
    remove(visit, [one for one in copies if not one.retried_as])
    publisher.send(queue_of(partition), body, str(identity)).result(_CONFIRM_S)
    if not noted:
        _remove_note(visit, letter, identity)
    remove(visit, noted)
    return Retried(letter, len(copies), identity, "")


def _remove_note(visit: Visit, letter: Letter, identity: int) -> None:
    """Take the note out that was just made; it may be with somebody else, who sends the same."""
    for item in visit.items(_ALL, _ALL):
        if item.body == letter.body and item.headers.get(RETRIED_AS) == identity:
            visit.remove(item.tag)
            return


def remove(visit: Visit, copies: list[Letter]) -> None:
    """Take a letter and its copies out for good."""
    for letter in copies:
        visit.remove(letter.tag)


def export(path: Path, letters: Iterable[Letter], listings: Listings) -> None:
    """Write letters to a new file, one JSON object a line, their bytes as hex; it is on disk then.

    Raises DataError if the file is there already or cannot be written.
    """
    try:
        with path.open("x", encoding="utf-8") as file:
            for letter in letters:
                told = in_full(listings, letter) | {"hex": letter.body.hex()}
                file.write(json.dumps(told) + "\n")
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise DataError(f"{path}: cannot be written: {error.strerror or error}") from error
