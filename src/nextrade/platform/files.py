"""What journal and snapshots ask of the operating system, in one place.

``Files`` is a port: tests put a disk in its place that fills up, fails, or loses what was not
synced. Nothing here reads a clock.
"""

from __future__ import annotations

import os
import sys
from io import FileIO
from pathlib import Path

from ..errors import JournalError, JournalLocked

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

_LOCK_BYTE = 1 << 30  # far behind the text: on Windows a locked byte cannot be read by others


def said(error: OSError) -> str:
    """What an error of the system says, without number and name of the file."""
    return error.strerror or str(error)


class Files:
    """File operations as the system offers them. All raise OSError."""

    def create(self, path: Path) -> FileIO:
        """A new, empty file to read and write, unbuffered. What had the name is emptied."""
        return FileIO(path, "w+")

    def open(self, path: Path, *, write: bool = False) -> FileIO:
        """An existing file, unbuffered."""
        return FileIO(path, "r+" if write else "r")

    def write(self, file: FileIO, data: bytes | bytearray | memoryview) -> None:
        """Write all of it at the file's position: in one call, unless the system takes less."""
        view = memoryview(data)
        while len(view):
            written = file.write(view)
            # A full disk may take a part first; the next call says what is wrong.
            view = view[written or 0 :]

    def sync(self, file: FileIO) -> None:
        """Return when the file's bytes and its length are on the device."""
        if sys.platform == "darwin":
            # There fsync hands the bytes to the drive, which may keep them in its cache.
            fcntl.fcntl(file.fileno(), fcntl.F_FULLFSYNC)
        else:
            os.fsync(file.fileno())

    def forget(self, file: FileIO) -> None:
        """Let the system drop its copy in memory, so that reading reads the device."""
        if sys.platform == "linux":
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)

    def truncate(self, file: FileIO, size: int) -> None:
        """Cut the file to a length."""
        file.truncate(size)

    def rename(self, old: Path, new: Path) -> None:
        """Give a closed file another name, in place of what had it."""
        old.replace(new)

    def remove(self, path: Path) -> None:
        """Take a file away."""
        path.unlink()

    def make_folder(self, path: Path) -> None:
        """Make a folder, and those above it, unless they are there; names are on the device."""
        missing = [folder for folder in (path, *path.parents) if not folder.exists()]
        path.mkdir(parents=True, exist_ok=True)
        for folder in missing:
            self.sync_folder(folder.parent)

    def sync_folder(self, path: Path) -> None:
        """Return when the names in a folder are on the device (Windows sees to it itself)."""
        if sys.platform != "win32":
            descriptor = os.open(path, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)


class Lock:
    """A lock on a file, held until ``release`` or the end of the process, however it ends.

    The file stays: if it were removed, a third process could lock a new one of the same name
    while a second still waits for the old. A child made by fork shares the lock.
    """

    def __init__(self, path: Path) -> None:
        """Take the lock; JournalLocked names the process that has it."""
        try:
            self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise JournalError(f"{path}: cannot be opened to lock it: {said(error)}") from error
        try:
            self._take()
        except OSError as error:
            holder = os.read(self._descriptor, 32).decode("ascii", "replace").strip()
            os.close(self._descriptor)
            if not isinstance(error, BlockingIOError | PermissionError):
                raise JournalError(f"{path}: cannot be locked: {said(error)}") from error
            raise JournalLocked(
                f"{path.parent} is open in process {holder or '(unknown)'}; one process writes"
                " a journal at a time"
            ) from error
        try:
            os.ftruncate(self._descriptor, 0)
            os.write(self._descriptor, f"{os.getpid()}\n".encode())
        except OSError as error:
            self.release()
            raise JournalError(f"{path}: cannot be written: {said(error)}") from error

    def _take(self) -> None:
        if sys.platform == "win32":
            os.lseek(self._descriptor, _LOCK_BYTE, os.SEEK_SET)
            try:
                msvcrt.locking(self._descriptor, msvcrt.LK_NBLCK, 1)
            finally:
                os.lseek(self._descriptor, 0, os.SEEK_SET)
        else:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def release(self) -> None:
        """Let others in."""
        os.close(self._descriptor)
