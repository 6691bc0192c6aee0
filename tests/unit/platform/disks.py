"""Disks that fail, fill up or lose power, to stand in for ``nextrade.platform.files.Files``."""

import errno
import os
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from io import FileIO
from pathlib import Path
from tempfile import TemporaryDirectory

from nextrade.platform.files import Files


def quick_folder() -> TemporaryDirectory[str]:
    """A folder in memory where the system has one, for tests that make thousands of files."""
    memory = Path("/dev/shm")
    return TemporaryDirectory(dir=memory if memory.is_dir() else None)


class HastyDisk(Files):
    """A disk that is not waited for: for tests that need many journals and no power cut."""

    def sync(self, file: FileIO) -> None:
        """Do nothing."""

    def sync_folder(self, path: Path) -> None:
        """Do nothing."""

    def forget(self, file: FileIO) -> None:
        """Do nothing."""


class FailingDisk(Files):
    """A disk that does what it is told until ``fail`` names an operation."""

    def __init__(self) -> None:
        self.fail: set[str] = set()
        self.room: int | None = None
        """Bytes that still fit; None: any number."""

    def _may_fail(self, what: str) -> None:
        if what in self.fail:
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    def write(self, file: FileIO, data: bytes | bytearray | memoryview) -> None:
        self._may_fail("write")
        if self.room is not None and self.room < len(data):
            super().write(file, memoryview(data)[: self.room])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        super().write(file, data)

    def sync(self, file: FileIO) -> None:
        self._may_fail("sync")
        super().sync(file)

    def truncate(self, file: FileIO, size: int) -> None:
        self._may_fail("truncate")
        super().truncate(file, size)

    def create(self, path: Path) -> FileIO:
        self._may_fail("create")
        return super().create(path)

    def open(self, path: Path, *, write: bool = False) -> FileIO:
        self._may_fail("open")
        return super().open(path, write=write)

    def rename(self, old: Path, new: Path) -> None:
        self._may_fail("rename")
        super().rename(old, new)

    def remove(self, path: Path) -> None:
        self._may_fail("remove")
        super().remove(path)


@dataclass
class Inode:
    """What a disk has of one file for sure, and what was written to it since."""

    synced: bytes = b""
    since: list[tuple[int, bytes]] = field(default_factory=list)
    """Writes by offset; an offset of -n-1 stands for a cut to n bytes."""

    def content(self, writes: int, rng: random.Random | None = None) -> bytes:
        """The bytes with the first so many writes; with ``rng`` the last of these is unfinished."""
        data = bytearray(self.synced)
        for index, (offset, piece) in enumerate(self.since[:writes]):
            if offset < 0:
                del data[-offset - 1 :]
                continue
            if rng is not None and index == writes - 1:
                piece = unfinished(offset, piece, rng)
            data[len(data) :] = bytes(max(0, offset - len(data)))
            data[offset : offset + len(piece)] = piece
        return bytes(data)


def unfinished(offset: int, piece: bytes, rng: random.Random) -> bytes:
    """What may be on a disk of one write: the first part of it, or some of its sectors."""
    if rng.random() < 0.5:
        return piece[: rng.randrange(len(piece) + 1)]
    data = bytearray(piece)
    start = offset
    while start < offset + len(piece):
        end = min(offset + len(piece), start - start % 512 + 512)
        if rng.random() < 0.5:
            data[start - offset : end - offset] = bytes(end - start)
        start = end
    return bytes(data)


class PowerDisk(Files):
    """Works on a real folder and knows what of it would be left if power went now."""

    def __init__(self, folder: Path) -> None:
        there = sorted(folder.iterdir()) if folder.exists() else []
        self.names = {path: Inode(path.read_bytes()) for path in there}
        """What a reader sees."""
        self.synced_names = dict(self.names)
        self._changes: list[Callable[[dict[Path, Inode]], None]] = []
        """What was done to names since the folder was synced, each as one indivisible step."""
        self.at_step: Callable[[], None] = lambda: None
        """Called before each operation that changes something."""
        self._inodes: dict[int, Inode] = {}

    def create(self, path: Path) -> FileIO:
        self.at_step()
        file = super().create(path)
        inode = self._inodes[id(file)] = Inode()
        self._change(lambda names: names.update({path: inode}))
        self._keep(file)
        return file

    def open(self, path: Path, *, write: bool = False) -> FileIO:
        file = super().open(path, write=write)
        self._inodes[id(file)] = self.names[path]
        self._keep(file)
        return file

    def _keep(self, file: FileIO) -> None:
        # An id is given again once its object is gone, so none goes.
        self.__dict__.setdefault("_kept", []).append(file)

    def write(self, file: FileIO, data: bytes | bytearray | memoryview) -> None:
        self.at_step()
        self._inodes[id(file)].since.append((file.tell(), bytes(data)))
        super().write(file, data)
        self.at_step()

    def sync(self, file: FileIO) -> None:
        self.at_step()
        inode = self._inodes[id(file)]
        inode.synced = inode.content(len(inode.since))
        inode.since.clear()

    def truncate(self, file: FileIO, size: int) -> None:
        self.at_step()
        self._inodes[id(file)].since.append((-size - 1, b""))
        super().truncate(file, size)

    def rename(self, old: Path, new: Path) -> None:
        self.at_step()
        super().rename(old, new)
        self._change(lambda names: names.update({new: names.pop(old)}) if old in names else None)
        self.at_step()

    def remove(self, path: Path) -> None:
        self.at_step()
        super().remove(path)
        self._change(lambda names: names.pop(path, None) and None)
        self.at_step()

    def sync_folder(self, path: Path) -> None:  # noqa: ARG002 - there is only one folder
        self.at_step()
        self.synced_names = dict(self.names)
        self._changes.clear()

    def _change(self, change: Callable[[dict[Path, Inode]], None]) -> None:
        change(self.names)
        self._changes.append(change)

    def make_folder(self, path: Path) -> None:
        path.mkdir(parents=True, exist_ok=True)

    def cut_power(self, left: Path, seed: int) -> None:
        """Write into a folder what may be there after power went at this moment."""
        rng = random.Random(seed)
        left.mkdir()
        names = dict(self.synced_names)
        likely = rng.choice([0.0, 0.5, 1.0])
        for change in self._changes:
            if rng.random() < likely:
                change(names)
        for path, inode in names.items():
            writes = rng.randrange(len(inode.since) + 1)
            (left / path.name).write_bytes(inode.content(writes, rng))
