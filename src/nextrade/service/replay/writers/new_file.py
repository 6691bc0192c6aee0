"""A file that appears under its name only when it is complete."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self
from weakref import finalize

from ....errors import DataError


def part_of(path: Path) -> Path:
    """Where a file is written until it is complete."""
    return path.with_name(path.name + ".part")


def _take_away(part: Path) -> None:
    part.unlink(missing_ok=True)


class NewFile:
    """Writes beside the final name and renames at the end; after an error nothing is left.

    With ``keep_interrupted`` an interrupt from the keyboard is no error: what was written
    until then is put in place.
    """

    def __init__(self, path: Path, *, keep_interrupted: bool = False) -> None:
        self.path = path
        self.part = part_of(path)
        self._keep_interrupted = keep_interrupted
        # Also if an interrupt comes before the ``with`` block is entered.
        self._take_away = finalize(self, _take_away, self.part)
        try:
            self.stream: BinaryIO = self.part.open("wb")
        except OSError as error:
            self._take_away.detach()
            raise DataError(f"{path}: cannot be created: {error.strerror}") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        interrupted = kind is not None and issubclass(kind, KeyboardInterrupt)
        wanted = kind is None or (interrupted and self._keep_interrupted)
        try:
            if wanted:
                self.finish()
            self.stream.close()
            if wanted:
                self.part.replace(self.path)
        except OSError as failure:
            raise self.failed(failure) from failure
        finally:
            # On a full disk the last flush fails again: that was said already.
            with suppress(OSError):
                self.abandon()
            with suppress(OSError):
                self.stream.close()
            self._take_away()

    def finish(self) -> None:
        """Whatever is due before the file is closed."""

    def abandon(self) -> None:
        """Let go of what else holds the file; called in any case, last of all."""

    def put(self, data: bytes | memoryview) -> None:
        """Append bytes; DataError if the disk is full or fails."""
        try:
            self.stream.write(data)
        except OSError as error:
            raise self.failed(error) from error

    def failed(self, error: OSError) -> DataError:
        """The error to raise when the disk is full or fails."""
        return DataError(f"{self.path}: cannot be written: {error.strerror or error}")
