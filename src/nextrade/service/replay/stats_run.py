"""The passes over a file that its statistics need."""

from __future__ import annotations

from collections.abc import Callable

from .readers.source import Flow, Recording, Source
from .starters import find_starters
from .stats import Stats

_BATCH = 65_536

Progress = Callable[[int, int, int], None]
"""Called with position, length (both in the source's unit) and records so far."""


def read_parts(source: Source, stats: Stats, progress: Progress, *, passes: int = 1) -> None:
    """Read a source into its statistics, as the last of so many passes.

    Raises DataError if it cannot be read.
    """
    records = 0
    before = (passes - 1) * source.length
    if isinstance(source, Flow):
        for batch in source.batches(_BATCH):
            stats.add(batch)
            records += len(batch.commands)
            progress(before + batch.position, passes * source.length, records)
        return
    for part in source.parts():
        stats.add(part)
        records += len(part.messages)
        progress(before + part.position, passes * source.length, records)


def count_unknown(recording: Recording, progress: Progress) -> int:
    """How many orders are named that never came, as the first of two passes."""
    count = 0
    for position, markets in find_starters(recording):
        progress(position, 2 * recording.length, 0)
        count = sum(len(starters.found) for starters in markets.values())
    return count
