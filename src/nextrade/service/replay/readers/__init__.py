"""Readers of order flow: one small file each, and one line in the table below."""

from __future__ import annotations

from pathlib import Path

from ....errors import DataError
from . import lobster, native_csv, native_npy
from .source import Batch, Commands, Format, Source
from .text_blocks import first_bytes

__all__ = ["FORMATS", "Batch", "Commands", "Format", "Source", "open_source"]

FORMATS: dict[str, Format] = {
    reader.FORMAT.name: reader.FORMAT for reader in (native_csv, native_npy, lobster)
}
"""Every format that can be replayed, by the name that ``--format`` takes."""


def open_source(path: str | Path, format_name: str | None = None) -> Source:
    """Open a file as a source of commands; without ``format_name`` its first bytes decide.

    Raises DataError if there is no such file, it is empty, or it is not of a known format.
    """
    path = Path(path)
    head = first_bytes(path)
    if format_name is not None:
        if format_name not in FORMATS:
            raise DataError(f"there is no format {format_name!r}; known are {', '.join(FORMATS)}")
        return FORMATS[format_name].open(path)
    for known in FORMATS.values():
        if known.recognises(head):
            return known.open(path)
    names = "; ".join(f"{known.name}: {known.summary}" for known in FORMATS.values())
    raise DataError(f"{path}: the format is not recognised by its first bytes. Known are {names}")
