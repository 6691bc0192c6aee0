"""The bytes of one segment of a journal: layout, and the check of a whole segment.

A segment is a head and then commits. A commit is what one call of ``Journal.commit`` wrote with
one write: a head of its own and the records. All numbers are little-endian. Version 1:

    segment head, 40 bytes          commit head, 36 bytes           record, 9 bytes and payload
    8   magic b"NXT-JRNL"           8   marker: first 8 of the id   u32 length of the payload
    u32 version                     u64 number of the first record  u8  kind
    u64 number of the first record  u64 length of the records       u32 CRC of number u64, length
    16  id of the journal           u32 how many records                u32, kind u8 and payload
    u32 CRC of the 36 before        u32 CRC of the records          ... payload
                                    u32 CRC of the 32 before

A commit without records seals a segment: another follows in a file of its own. Every CRC is the
CRC-32 of zlib. The head of a segment stays as it is in all versions, so that a reader can always
tell a newer one from damage. Version 0 has this same layout; nothing but tests has written it.

**What is cut and what is refused.** A commit is written only after the one before it was synced.
So when power goes, one commit may be unfinished, and it is the last thing in the last segment.
Of an unfinished write a disk shows less than the whole: the file is too short, or whole sectors
of it are zeros. Only that is called torn. A whole commit behind the bad place, or a bad place
where every sector was written, cannot come of a power cut: that is damage.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from io import BufferedReader, FileIO
from pathlib import Path
from typing import BinaryIO, NamedTuple

from ..errors import JournalDamaged, JournalError

MAGIC = b"NXT-JRNL"
VERSION = 1
READS = (0, 1)
"""Versions that are read. Written is the newest alone."""

ID_BYTES = 16
_SEGMENT_HEAD = struct.Struct("<8sIQ16s")
_COMMIT_HEAD = struct.Struct("<8sQQII")
_CRC = struct.Struct("<I")
_RECORD_HEAD = struct.Struct("<IBI")
_COVERED = struct.Struct("<QIB")
SEGMENT_HEAD_BYTES = _SEGMENT_HEAD.size + _CRC.size
COMMIT_HEAD_BYTES = _COMMIT_HEAD.size + _CRC.size
RECORD_HEAD_BYTES = _RECORD_HEAD.size
MAX_PAYLOAD = 2**32 - 1
_SECTOR = 512  # the least that any disk writes as a whole
_CHUNK = 1 << 20


class Record(NamedTuple):
    """One record as it was appended."""

    number: int
    kind: int
    payload: bytes


class CommitHead(NamedTuple):
    """Where a commit starts, and what it says of itself."""

    offset: int
    first: int
    length: int
    records: int
    crc: int


@dataclass(frozen=True, slots=True)
class Segment:
    """A segment that was checked from its head to ``end``."""

    path: Path
    version: int
    journal: bytes
    first: int
    """Number of its first record."""
    following: int
    """Number of the record after its last."""
    end: int
    """Where its last whole commit ends."""
    sealed: bool
    torn: str
    """What is wrong with the bytes behind ``end``; empty if there are none."""


def segment_head(journal: bytes, first: int, version: int = VERSION) -> bytes:
    """The bytes with which a segment begins."""
    head = _SEGMENT_HEAD.pack(MAGIC, version, first, journal)
    return head + _CRC.pack(zlib.crc32(head))


def record_head(number: int, kind: int, payload: bytes | memoryview) -> bytes:
    """The bytes before the payload of a record."""
    length = len(payload)
    crc = zlib.crc32(payload, zlib.crc32(_COVERED.pack(number, length, kind)))
    return _RECORD_HEAD.pack(length, kind, crc)


def put_commit_head(into: bytearray, journal: bytes, first: int, count: int) -> None:
    """Fill the room that was left at the start of a commit."""
    with memoryview(into) as view:
        length, crc = len(view) - COMMIT_HEAD_BYTES, zlib.crc32(view[COMMIT_HEAD_BYTES:])
        _COMMIT_HEAD.pack_into(into, 0, journal[:8], first, length, count, crc)
        _CRC.pack_into(into, _COMMIT_HEAD.size, zlib.crc32(view[: _COMMIT_HEAD.size]))


def check(file: FileIO, path: Path) -> Segment:
    """Read a segment from end to end in bounded memory; JournalDamaged for all but a torn end."""
    size = os.fstat(file.fileno()).st_size
    version, first, journal = _read_segment_head(file, path)
    reader = BufferedReader(file, _CHUNK)
    try:
        offset, number, sealed, torn = _walk(reader, path, size, journal, first)
    finally:
        reader.detach()
    return Segment(path, version, journal, first, number, offset, sealed, torn)


def _walk(
    reader: BinaryIO, path: Path, size: int, journal: bytes, number: int
) -> tuple[int, int, bool, str]:
    """Check commit after commit; return where they end, the number due there, sealed, torn."""
    offset, sealed = SEGMENT_HEAD_BYTES, False
    reader.seek(offset)
    while offset < size:
        if sealed:
            raise damaged(path, offset, "there are bytes behind the end of the segment")
        head, wrong, end = _read_commit_head(reader, offset, journal), "no commit is here", size
        if head is not None:
            if head.first != number:
                raise damaged(path, offset, f"record {number} is due, not {head.first}")
            end = offset + COMMIT_HEAD_BYTES + head.length
            wrong = _wrong_with_body(reader, head, size)
        if wrong:
            _refuse_unless_torn(reader, path, (offset, end, size), journal, wrong)
            return offset, number, sealed, wrong
        assert head is not None
        offset, number, sealed = end, number + head.records, head.records == 0
    return offset, number, sealed, ""


def read_records(reader: BinaryIO, segment: Segment, start: int) -> Iterator[Record]:
    """Yield the records of a checked segment from a number on, checking each once more."""
    path, offset = segment.path, SEGMENT_HEAD_BYTES
    while offset < segment.end:
        reader.seek(offset)
        head = _read_commit_head(reader, offset, segment.journal)
        if head is None:
            raise damaged(path, offset, "what was a commit at opening is none now")
        offset += COMMIT_HEAD_BYTES + head.length
        if head.first + head.records <= start:
            continue
        for number, kind, payload in _records_of(reader, path, head):
            if number >= start:
                yield Record(number, kind, payload)


def damaged(path: Path, offset: int, what: str) -> JournalDamaged:
    """The error for a place in a file."""
    return JournalDamaged(f"{path}: damaged at byte {offset}: {what}")


def _read_segment_head(file: FileIO, path: Path) -> tuple[int, int, bytes]:
    file.seek(0)
    data = file.read(SEGMENT_HEAD_BYTES) or b""
    if not data.startswith(MAGIC):
        raise damaged(path, 0, "this is not the beginning of a segment of a journal")
    if not _is_whole_head(data):
        raise damaged(path, 0, "the head of the segment does not fit its checksum")
    _, version, first, journal = _SEGMENT_HEAD.unpack_from(data)
    if version not in READS:
        raise JournalError(
            f"{path}: written in version {version} of the journal, known here is up to {VERSION};"
            " open it with the release that wrote it, or a later one"
        )
    return version, first, journal


def _is_whole_head(data: bytes) -> bool:
    covered, crc = data[: _SEGMENT_HEAD.size], data[_SEGMENT_HEAD.size :]
    return len(data) == SEGMENT_HEAD_BYTES and crc == _CRC.pack(zlib.crc32(covered))


def _read_commit_head(reader: BinaryIO, offset: int, journal: bytes) -> CommitHead | None:
    """The head of a commit at the reader's position, or None if there is no whole one."""
    return _parse_commit_head(reader.read(COMMIT_HEAD_BYTES), offset, journal)


def _parse_commit_head(data: bytes, offset: int, journal: bytes) -> CommitHead | None:
    if len(data) < COMMIT_HEAD_BYTES or data[:8] != journal[:8]:
        return None
    if data[_COMMIT_HEAD.size :] != _CRC.pack(zlib.crc32(data[: _COMMIT_HEAD.size])):
        return None
    _, first, length, count, crc = _COMMIT_HEAD.unpack_from(data)
    return CommitHead(offset, first, length, count, crc)


def _wrong_with_body(reader: BinaryIO, head: CommitHead, size: int) -> str:
    """What is wrong with the records of a commit, read at the reader's position."""
    if head.offset + COMMIT_HEAD_BYTES + head.length > size:
        return "the file ends within a commit"
    crc, left = 0, head.length
    while left:
        piece = reader.read(min(left, _CHUNK))
        if not piece:
            return "the file ends within a commit"
        crc, left = zlib.crc32(piece, crc), left - len(piece)
    return "" if crc == head.crc else "the records do not fit the checksum of their commit"


def _records_of(reader: BinaryIO, path: Path, head: CommitHead) -> Iterator[tuple[int, int, bytes]]:
    offset, left = head.offset + COMMIT_HEAD_BYTES, head.length
    for number in range(head.first, head.first + head.records):
        data = reader.read(RECORD_HEAD_BYTES)
        if len(data) == RECORD_HEAD_BYTES:
            length, kind, crc = _RECORD_HEAD.unpack(data)
            left -= RECORD_HEAD_BYTES + length
            if left >= 0:
                payload = reader.read(length)
                found = zlib.crc32(payload, zlib.crc32(_COVERED.pack(number, length, kind)))
                if found == crc and len(payload) == length:
                    yield number, kind, payload
                    offset += RECORD_HEAD_BYTES + length
                    continue
        raise damaged(path, offset, f"record {number} does not fit its checksum")


def _refuse_unless_torn(
    reader: BinaryIO, path: Path, place: tuple[int, int, int], journal: bytes, wrong: str
) -> None:
    """JournalDamaged if a bad place is more than a commit that was not finished.

    ``place`` is where the commit begins, where it should end, and where the file ends.
    """
    offset, end, size = place
    later = _later_commit(reader, offset + 1, journal)
    if later is not None:
        raise damaged(path, offset, f"{wrong}, and a commit follows at byte {later}")
    short = size < end or size - offset < COMMIT_HEAD_BYTES
    if short or (size == end and _has_empty_sector(reader, offset, size)):
        return
    raise damaged(
        path,
        offset,
        f"{wrong}, though no part of it is missing as after a loss of power;"
        f" what comes before it is whole and ends there (the file has {size} bytes)",
    )


def _later_commit(reader: BinaryIO, start: int, journal: bytes) -> int | None:
    """Where the next whole head of a commit of this journal is, whatever lies before it."""
    reader.seek(start)
    offset, kept = start, b""
    while piece := reader.read(_CHUNK):
        data = kept + piece
        at = data.find(journal[:8])
        while at >= 0 and at + COMMIT_HEAD_BYTES <= len(data):
            if _parse_commit_head(data[at : at + COMMIT_HEAD_BYTES], offset + at, journal):
                return offset + at
            at = data.find(journal[:8], at + 1)
        keep = min(len(data), COMMIT_HEAD_BYTES - 1)
        offset += len(data) - keep
        kept = data[len(data) - keep :]
    return None


def _has_empty_sector(reader: BinaryIO, start: int, end: int) -> bool:
    """Whether one sector's share of these bytes is nothing but zeros."""
    reader.seek(start)
    while start < end:
        share = min(end, start - start % _SECTOR + _SECTOR) - start
        if not reader.read(share).strip(b"\0"):
            return True
        start += share
    return False
