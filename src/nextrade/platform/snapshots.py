"""Snapshots: a state in one file each, whole or not there at all; the last two are kept.

``snapshot-<position>.nxs`` appears under its name only when it is on the device. The position is
the number of the last journal record that the state contains. All numbers are little-endian.
Version 1:

    8   magic b"NXT-SNAP"
    u32 version
    u64 position
    u64 length of the payload
    u32 CRC-32 of the 28 bytes before
    ... payload
    32  BLAKE2b (digest size 32) of the payload and then of the head, the 32 bytes before it

The head stays as it is in all versions, so that a newer one is told from damage. Version 0
has this same layout; nothing but tests has written it.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterable
from hashlib import blake2b
from io import FileIO
from pathlib import Path
from typing import NamedTuple
from zlib import crc32

from ..errors import JournalError, SnapshotError
from .files import Files, said

MAGIC = b"NXT-SNAP"
VERSION = 1
READS = (0, 1)
"""Versions that are read. Written is the newest alone."""

_HEAD = struct.Struct("<8sIQQ")
_CRC = struct.Struct("<I")
_HEAD_BYTES = _HEAD.size + _CRC.size
_DIGEST_BYTES = 32
_KEPT = 2
_SUFFIX = ".nxs"
_NEW = ".new"


class Snapshot(NamedTuple):
    """A state, and the number of the last record that it contains."""

    position: int
    payload: bytes


class Snapshots:
    """The snapshots in a folder. Whoever holds the journal's lock may write them.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     snapshots = Snapshots(folder)
    ...     snapshots.write(7, [b"the ", b"state"])
    ...     tuple(snapshots.newest())
    (7, b'the state')
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        *,
        read_only: bool = False,
        files: Files | None = None,
    ) -> None:
        """Open a folder, make it if need be, and take away what was not written to its end."""
        self.folder = Path(folder)
        self.remarks: list[str] = []
        """Which snapshots ``newest`` had to pass over, and why."""
        self._files = Files() if files is None else files
        self._read_only = read_only
        self._damaged: set[Path] = set()
        if read_only:
            return
        try:
            self._files.make_folder(self.folder)
            for left_over in self.folder.glob(f"snapshot-*{_SUFFIX}{_NEW}"):
                self._files.remove(left_over)
        except OSError as error:
            raise JournalError(f"{self.folder}: cannot be opened: {said(error)}") from error

    @property
    def positions(self) -> tuple[int, ...]:
        """Positions of the snapshots that are kept and not known to be damaged, ascending.

        The journal is needed from the record after the first of them.
        """
        return tuple(_position(path) for path in self._paths() if path not in self._damaged)

    def write(self, position: int, payload: Iterable[bytes | bytearray | memoryview]) -> None:
        """Keep a state, given in parts; then remove all but the last two.

        JournalError if the disk is full or fails: the snapshots before are as they were.
        ValueError if a newer one is there.
        """
        if self._read_only:
            raise JournalError(f"{self.folder}: is open to read only")
        newer = [known for known in self.positions if known > position]
        if newer:
            raise ValueError(f"there is a snapshot of position {newer[-1]} after {position}")
        path = self.folder / f"snapshot-{position:020d}{_SUFFIX}"
        new = path.with_name(path.name + _NEW)
        try:
            try:
                with self._files.create(new) as file:
                    self._write_whole(file, position, payload)
                self._files.rename(new, path)
            except BaseException:
                new.unlink(missing_ok=True)
                raise
            self._files.sync_folder(self.folder)
            self._damaged.discard(path)
            self._remove_old()
        except OSError as error:
            raise JournalError(f"{path}: cannot be written: {said(error)}") from error

    def newest(self) -> Snapshot | None:
        """Return the newest snapshot that is whole, or None; ``remarks`` names those that are not.

        SnapshotError if the newest was written in a version that is unknown here.
        """
        self.remarks.clear()
        for path in reversed(self._paths()):
            try:
                with self._files.open(path) as file:
                    snapshot, wrong = _read(file, path)
            except OSError as error:
                # A sector that cannot be read is damage like any other: the one before may do.
                snapshot, wrong = None, f"cannot be read: {said(error)}"
            if snapshot is not None:
                return snapshot
            self._damaged.add(path)
            self.remarks.append(f"{path}: {wrong}; passed over")
        return None

    def _paths(self) -> list[Path]:
        """The snapshots, oldest first."""
        try:
            found = list(self.folder.iterdir())
        except OSError as error:
            raise JournalError(f"{self.folder}: cannot be read: {said(error)}") from error
        return sorted(path for path in found if _is_snapshot(path.name))

    def _write_whole(
        self, file: FileIO, position: int, payload: Iterable[bytes | bytearray | memoryview]
    ) -> None:
        digest, length = blake2b(digest_size=_DIGEST_BYTES), 0
        file.seek(_HEAD_BYTES)
        for part in payload:
            data = memoryview(part).cast("B")
            digest.update(data)
            self._files.write(file, data)
            length += len(data)
        head = _HEAD.pack(MAGIC, VERSION, position, length)
        head += _CRC.pack(crc32(head))
        digest.update(head)
        self._files.write(file, digest.digest())
        file.seek(0)
        self._files.write(file, head)
        self._files.sync(file)

    def _remove_old(self) -> None:
        """Keep the last two that may be whole; the damaged are of no use to anybody."""
        usable = [path for path in self._paths() if path not in self._damaged]
        for path in [*self._damaged, *usable[:-_KEPT]]:
            if path.exists():
                self._files.remove(path)
        self._damaged.clear()
        self._files.sync_folder(self.folder)


def _is_snapshot(name: str) -> bool:
    stem = name.removeprefix("snapshot-").removesuffix(_SUFFIX)
    return len(stem) == 20 and stem.isdecimal() and name == f"snapshot-{stem}{_SUFFIX}"


def _position(path: Path) -> int:
    return int(path.stem.removeprefix("snapshot-"))


def _read(file: FileIO, path: Path) -> tuple[Snapshot | None, str]:
    """Return what is in a file, or what is wrong with it."""
    size = os.fstat(file.fileno()).st_size
    head = _read_exactly(file, _HEAD_BYTES)
    if not head:
        return None, "is empty"
    if head[_HEAD.size :] != _CRC.pack(crc32(head[: _HEAD.size])) or not head.startswith(MAGIC):
        return None, "does not begin with a whole head of a snapshot"
    _, version, position, length = _HEAD.unpack_from(head)
    if version not in READS:
        raise SnapshotError(
            f"{path}: written in version {version} of snapshots, known here is up to {VERSION};"
            " open it with the release that wrote it, or a later one"
        )
    if size != _HEAD_BYTES + length + _DIGEST_BYTES:
        return None, f"has {size} bytes, {length} of payload announced"
    payload = _read_exactly(file, length)
    digest = blake2b(payload, digest_size=_DIGEST_BYTES)
    digest.update(head)
    if _read_exactly(file, _DIGEST_BYTES) != digest.digest():
        return None, "does not fit its checksum"
    if position != _position(path):
        return None, f"holds position {position}, not that of its name"
    return Snapshot(position, payload), ""


def _read_exactly(file: FileIO, length: int) -> bytes:
    """Read so many bytes, or as many as there are: one call may return fewer."""
    data = file.read(length) or b""
    if len(data) == length:
        return data
    parts = [data]
    while parts[-1] and (length := length - len(parts[-1])):
        parts.append(file.read(length) or b"")
    return b"".join(parts)
