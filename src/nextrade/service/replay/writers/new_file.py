"""A file that appears under its name only when it is complete."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from ....errors import DataError


class NewFile:
    """Writes beside the final name and renames at the end; after an error nothing is left."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._part = path.with_name(path.name + ".part")
        try:
            self.stream: BinaryIO = self._part.open("wb")
        except OSError as error:
            raise DataError(f"{path}: cannot be created: {error.strerror}") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if kind is None:
                self.finish()
            self.stream.close()
            if kind is None:
                self._part.replace(self._path)
        except OSError as failure:
            raise DataError(f"{self._path}: cannot be written: {failure.strerror}") from failure
        finally:
            self.stream.close()
            self._part.unlink(missing_ok=True)

    def finish(self) -> None:
        """Whatever is due before the file is closed."""

    def put(self, data: bytes | memoryview) -> None:
        """Append bytes; DataError if the disk is full or fails."""
        try:
            self.stream.write(data)
        except OSError as error:
            raise DataError(f"{self._path}: cannot be written: {error.strerror}") from error
