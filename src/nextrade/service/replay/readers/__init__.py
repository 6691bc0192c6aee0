"""Readers of order flow: one small file each, and one line in the table below."""

from __future__ import annotations

from pathlib import Path

from ....errors import DataError
from . import (
    b3,
    bitstamp,
    databento_csv,
    databento_dbn,
    itch,
    lobster,
    native_csv,
    native_npy,
    native_parquet,
    pitch,
)
from .source import BadRecords, Batch, Commands, Flow, Format, Recording, Source
from .unpacked import first_bytes

__all__ = [
    "FORMATS",
    "BadRecords",
    "Batch",
    "Commands",
    "Flow",
    "Format",
    "Recording",
    "Source",
    "open_source",
]

FORMATS: dict[str, Format] = {
    reader.FORMAT.name: reader.FORMAT
    for reader in (
        native_csv,
        native_npy,
        native_parquet,
        itch,
        pitch,
        b3,
        bitstamp,
        lobster,
        databento_dbn,
        databento_csv,
    )
}
"""Every format that can be replayed, by the name that ``--format`` takes.

The order matters where first bytes could be of two formats: the stricter stands first.
"""


def open_source(
    path: str | Path, format_name: str | None = None, *, skip_bad: bool = False
) -> Source:
    """Open a file for replay; without ``format_name`` its first bytes decide what it is.

    ``skip_bad`` passes over records that cannot be read and counts them; otherwise the
    first ends the reading. Raises DataError if there is no such file, it is empty, or it
    is not of a known format.
    """
    path = Path(path)
    head = first_bytes(path)
    bad = BadRecords(skip_bad)
    if format_name is not None:
        if format_name not in FORMATS:
            raise DataError(f"there is no format {format_name!r}; known are {', '.join(FORMATS)}")
        return FORMATS[format_name].open(path, bad)
    for known in FORMATS.values():
        if known.recognises(head):
            return known.open(path, bad)
    names = "; ".join(f"{known.name}: {known.summary}" for known in FORMATS.values())
    raise DataError(f"{path}: the format is not recognised by its first bytes. Known are {names}")
