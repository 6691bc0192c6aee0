"""Replay of order flow: readers, writers, the run itself and its report."""

from .readers import FORMATS, Source, open_source
from .report import Check, Report
from .run import DEFAULT_BATCH, replay, run
from .writers import WRITERS, Writer, open_writer

__all__ = [
    "DEFAULT_BATCH",
    "FORMATS",
    "WRITERS",
    "Check",
    "Report",
    "Source",
    "Writer",
    "open_source",
    "open_writer",
    "replay",
    "run",
]
