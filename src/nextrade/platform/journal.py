"""A journal: numbered records that are on the device once ``commit`` has returned.

The folder holds segments, ``journal-<number of the first record>.nxj``, whose bytes
``segment.py`` describes, and the lock file. The first record ever has number 1; numbers have no
gaps. What the records mean is the business of whoever writes them. No clock is read, so none
can mislead the journal by going backwards.

A new segment is written as ``.nxj.new``, the old one is sealed, then the new one gets its name.
So a sealed segment that no other follows has lost its successor, unless that is there under
the first name still: then power went between the two steps, and opening takes the last one.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from io import BufferedReader, FileIO
from pathlib import Path
from typing import Self

from ..errors import JournalDamaged, JournalError
from .files import Files, Lock, said
from .segment import (
    COMMIT_HEAD_BYTES,
    ID_BYTES,
    MAX_PAYLOAD,
    SEGMENT_HEAD_BYTES,
    VERSION,
    Record,
    Segment,
    check,
    damaged,
    put_commit_head,
    read_records,
    record_head,
    segment_head,
)

_LOCK = "journal.lock"
_SUFFIX = ".nxj"
_NEW = ".new"
_CHUNK = 1 << 20


class Journal:
    """An append-only journal in a folder of its own, open for one process at a time.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder, Journal(folder) as journal:
    ...     journal.append(1, b"first"), journal.commit()
    ...     [tuple(record) for record in journal.read(1)]
    (1, 1)
    [(1, 1, b'first')]
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        fsync: bool = True,
        read_only: bool = False,
        files: Files | None = None,
        journal_id: bytes | None = None,
    ) -> None:
        """Open or found a journal, and check every byte of it.

        Without ``fsync`` a commit outlives the process but perhaps not a loss of power, after
        which the journal may also be refused. ``read_only`` takes no lock and changes nothing.
        ``journal_id`` (16 bytes) names a journal that is founded here; by default at random.
        """
        self.path = Path(path)
        self.remarks: list[str] = []
        """What opening found and mended, in words."""
        self._files = Files() if files is None else files
        self._fsync, self._read_only = fsync, read_only
        self._buffer, self._count = bytearray(COMMIT_HEAD_BYTES), 0
        self._segments: list[Segment] = []
        self._file: FileIO | None = None
        self._lock: Lock | None = None
        self._new_id = journal_id
        self._unusable = "it is closed"
        try:
            self._open()
        except OSError as error:
            self.close()
            raise JournalError(f"{self.path}: cannot be opened: {said(error)}") from error
        except BaseException:
            self.close()
            raise
        self._unusable = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def id(self) -> bytes:
        """The sixteen bytes that all segments of this journal share."""
        return self._segments[-1].journal

    @property
    def first(self) -> int:
        """Number of the oldest record that is kept, or that the next one will have."""
        return self._segments[0].first

    @property
    def last(self) -> int:
        """Number of the newest committed record; one less than ``first`` if there is none."""
        return self._following - 1

    def append(self, kind: int, payload: bytes | bytearray | memoryview) -> int:
        """Copy a record to where the next commit takes it from; return its number."""
        if self._unusable or self._read_only:
            self._refuse()
        if not 0 <= kind <= 255:
            raise ValueError(f"the kind of a record is a byte, not {kind}")
        data = payload if isinstance(payload, bytes) else memoryview(payload).cast("B")
        if len(data) > MAX_PAYLOAD:
            raise ValueError(f"a record holds at most {MAX_PAYLOAD:,} bytes, not {len(data):,}")
        number = self._following + self._count
        self._buffer += record_head(number, kind, data)
        self._buffer += data
        self._count += 1
        return number

    def commit(self) -> int:
        """Write what was appended, all or nothing, and sync it; return the newest number.

        JournalError if the disk is full or fails: then nothing of it counts, and the journal
        has to be opened again.
        """
        if self._unusable or self._read_only:
            self._refuse()
        if self._count:
            put_commit_head(self._buffer, self.id, self._following, self._count)
            self._write(self._buffer, self._count)
            self._buffer, self._count = bytearray(COMMIT_HEAD_BYTES), 0
        return self.last

    def read(self, start: int) -> Iterator[Record]:
        """Yield the committed records from number ``start`` on, in bounded memory.

        ``start`` is one of the records, or the number that the next one will have.
        """
        if self._unusable:
            self._refuse()
        if not self.first <= start <= self._following:
            raise JournalError(
                f"{self.path}: holds the records {self.first} to {self.last}, not {start}"
            )
        current = self._segments[-1]
        now = self._grown(current) if self._file else current
        return self._read([*self._segments[:-1], now], start)

    def rotate(self) -> None:
        """Commit, then begin a new segment, so that ``drop_before`` can remove the old ones."""
        self.commit()
        if self._following == self._segments[-1].first:
            return
        self._doing("a new segment")
        try:
            new = self._prepare(self._following, self.id)
            old = self._grown(self._segments[-1])
            if old.version == VERSION:
                seal = bytearray(COMMIT_HEAD_BYTES)
                put_commit_head(seal, self.id, self._following, 0)
                self._file_open.seek(self._end)
                self._files.write(self._file_open, seal)
                # Also without fsync: a finished segment is never mended.
                self._files.sync(self._file_open)
            self._file_open.close()
            self._segments[-1] = old
            self._continue_in(self._put_in_place(new))
        except OSError as error:
            raise self._failed(error) from error
        self._unusable = ""

    def drop_before(self, number: int) -> None:
        """Remove the segments whose records all come before ``number``; never the newest."""
        if self._unusable or self._read_only:
            self._refuse()
        try:
            while len(self._segments) > 1 and self._segments[1].first <= number:
                self._files.remove(self._segments[0].path)
                # One after the other, so that a loss of power leaves no gap between them.
                self._files.sync_folder(self.path)
                del self._segments[0]
        except OSError as error:
            self._doing("dropping segments")
            raise self._failed(error) from error

    def close(self) -> None:
        """Let go of the files. What was appended and not committed is gone."""
        self._unusable = "it is closed"
        self._buffer, self._count = bytearray(COMMIT_HEAD_BYTES), 0
        if self._file is not None:
            self._file.close()
            self._file = None
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    # --- opening ---------------------------------------------------------------------------

    def _open(self) -> None:
        if not self._read_only:
            self._files.make_folder(self.path)
            self._lock = Lock(self.path / _LOCK)
        while True:
            paths = self._paths()
            try:
                self._load(paths)
                break
            except (JournalDamaged, FileNotFoundError):
                # To whoever only reads, a change of segments by the writer looks like damage.
                if not self._read_only or paths == self._paths():
                    raise
        if self._read_only:
            self._following = self._segments[-1].following
        else:
            self._continue_in(self._segments[-1])
            if self._segments[-1].version != VERSION:
                # What is added is of this version, so it goes into a segment of its own.
                self._unusable = ""
                self.rotate()

    def _load(self, paths: list[Path]) -> None:
        """Check the segments of these names, in this order."""
        self._segments.clear()
        self.remarks.clear()
        for path in paths:
            self._segments.append(self._checked(path, is_last=path == paths[-1]))
            self._check_place()
        if not paths:
            self._found()
        self._finish_rotation()

    def _found(self) -> None:
        if self._read_only:
            raise JournalError(f"{self.path}: there is no journal here")
        # A byte of zero in the marker would look like one that was never written.
        journal_id = self._new_id or os.urandom(ID_BYTES).replace(b"\0", b"\1")
        if len(journal_id) != ID_BYTES:
            raise ValueError(f"the id of a journal is {ID_BYTES} bytes, not {len(journal_id)}")
        self._segments = [self._put_in_place(self._prepare(1, journal_id))]

    def _paths(self) -> list[Path]:
        return sorted(self.path.glob(f"journal-*{_SUFFIX}"))

    def _checked(self, path: Path, *, is_last: bool) -> Segment:
        """Check a segment; of the last one, cut what is unfinished."""
        cut = is_last and not self._read_only
        with self._files.open(path, write=cut) as file:
            if cut:
                # A process that was killed may have left bytes in the system's memory alone:
                # they must be on the device before anybody acts on them. After a sync that had
                # failed, memory and device may differ: what counts is what the device has.
                self._files.sync(file)
                self._files.forget(file)
            segment = check(file, path)
            if not segment.torn:
                return segment
            if not is_last:
                raise damaged(path, segment.end, f"{segment.torn}, and another segment follows")
            left = os.fstat(file.fileno()).st_size - segment.end
            said_of = "cut" if cut else "passed over"
            self.remarks.append(
                f"{path}: {left} bytes of an unfinished commit {said_of} at byte {segment.end}"
                f" ({segment.torn})"
            )
            if cut:
                self._files.truncate(file, segment.end)
                self._files.sync(file)
            return segment

    def _check_place(self) -> None:
        """Refuse the newest of the segments if it does not belong behind the one before."""
        segment = self._segments[-1]
        if segment.path.name != _name(segment.first):
            wrong = f"the segment of record {segment.first} is under another's name"
            raise damaged(segment.path, 0, wrong)
        if len(self._segments) > 1:
            before = self._segments[-2]
            if segment.journal != before.journal:
                raise damaged(segment.path, 0, f"is of another journal than {before.path.name}")
            if segment.first != before.following:
                wrong = f"begins with record {segment.first} where {before.following} is due"
                raise damaged(segment.path, 0, f"{wrong}: what was between them is missing")

    def _finish_rotation(self) -> None:
        """Take the last step of a rotation that did not get to it, or take back the first."""
        last = self._segments[-1]
        path = self.path / _name(last.following)
        new = path.with_name(path.name + _NEW)
        if last.sealed:
            if not new.exists():
                raise damaged(path, 0, f"is missing, though {last.path.name} says it follows")
            with self._files.open(new) as file:
                segment = check(file, new)
            if (segment.first, segment.journal) != (last.following, last.journal):
                raise damaged(new, 0, f"does not follow {last.path.name}")
            self._segments.append(segment if self._read_only else self._put_in_place(segment))
            self.remarks.append(f"{path}: the change to this segment was finished")
        if not self._read_only:
            for left_over in self.path.glob(f"journal-*{_SUFFIX}{_NEW}"):
                self._files.remove(left_over)

    # --- writing ---------------------------------------------------------------------------

    @property
    def _file_open(self) -> FileIO:
        assert self._file is not None
        return self._file

    def _continue_in(self, segment: Segment) -> None:
        """Write to the end of a segment from now on."""
        if segment is not self._segments[-1]:
            self._segments.append(segment)
        self._file = self._files.open(segment.path, write=True)
        self._end, self._following = segment.end, segment.following

    def _grown(self, segment: Segment) -> Segment:
        """The current segment with what was committed since it was opened."""
        return replace(segment, following=self._following, end=self._end, torn="")

    def _prepare(self, first: int, journal: bytes) -> Segment:
        """Write an empty segment under the name that does not count yet."""
        path = self.path / (_name(first) + _NEW)
        with self._files.create(path) as file:
            self._files.write(file, segment_head(journal, first))
            self._files.sync(file)
        self._files.sync_folder(self.path)
        return Segment(path, VERSION, journal, first, first, SEGMENT_HEAD_BYTES, False, "")

    def _put_in_place(self, new: Segment) -> Segment:
        path = new.path.with_name(_name(new.first))
        self._files.rename(new.path, path)
        self._files.sync_folder(self.path)
        return Segment(path, new.version, new.journal, new.first, new.first, new.end, False, "")

    def _write(self, data: bytearray, count: int) -> None:
        self._doing("a commit")
        try:
            self._file_open.seek(self._end)
            self._files.write(self._file_open, data)
            if self._fsync:
                self._files.sync(self._file_open)
        except OSError as error:
            raise self._failed(error) from error
        self._end += len(data)
        self._following += count
        self._unusable = ""

    def _doing(self, what: str) -> None:
        """Count as failed from here on; whoever succeeds takes it back."""
        self._unusable = f"{what} did not come to its end"

    def _failed(self, error: OSError) -> JournalError:
        """Take back what is half written, if that can be, and say what went wrong.

        A failed sync is never tried again: the system reports a lost page once and forgets it,
        so the second sync would succeed over bytes that are not on the device. Cutting them off
        drops those pages; if even that fails, the next opening reads what the device has, and
        drops a commit that is not whole.
        """
        self._unusable += f": {said(error)}"
        if self._file is not None and not self._file.closed:
            try:
                self._files.truncate(self._file, self._end)
                self._files.sync(self._file)
            except OSError:
                pass  # the first error is the one to tell
        return JournalError(
            f"{self.path}: {said(error)}; nothing of what was not committed counts, and the"
            " journal has to be opened again"
        )

    def _refuse(self) -> None:
        if self._unusable:
            raise JournalError(f"{self.path}: cannot be used until it is opened: {self._unusable}")
        raise JournalError(f"{self.path}: is open to read only")

    # --- reading ---------------------------------------------------------------------------

    def _read(self, segments: list[Segment], start: int) -> Iterator[Record]:
        for segment in segments:
            if segment.following <= start:
                continue
            try:
                with BufferedReader(self._files.open(segment.path), _CHUNK) as reader:
                    yield from read_records(reader, segment, start)
            except OSError as error:
                raise JournalError(f"{segment.path}: cannot be read: {said(error)}") from error


def _name(first: int) -> str:
    return f"journal-{first:020d}{_SUFFIX}"
