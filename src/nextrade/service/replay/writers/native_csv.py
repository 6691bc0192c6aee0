"""Writes native CSV: a header, then one command a line, coded columns by name."""

from __future__ import annotations

from pathlib import Path

from ..native import CODES, COLUMNS
from ..readers.source import Commands
from .new_file import NewFile

_PIECE = 16_384


class CsvWriter(NewFile):
    """A native CSV file being written, all columns."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.put((",".join(COLUMNS) + "\n").encode())

    def write(self, commands: Commands) -> None:
        """Append a batch."""
        for start in range(0, len(commands), _PIECE):
            piece = commands[start : start + _PIECE]
            columns = [_texts(piece, name) for name in COLUMNS]
            lines = map(",".join, zip(*columns, strict=True))
            self.put(("\n".join(lines) + "\n").encode())


def _texts(commands: Commands, name: str) -> list[str]:
    values: list[int] = commands[name].tolist()
    if name not in CODES:
        return list(map(str, values))
    # Codes of no member are written as numbers: they read back as the same command.
    names = [str(code) for code in range(256)]
    for member, code in CODES[name].items():
        names[code] = member
    return [names[value] for value in values]
