"""Comparisons with a recorded order book, for the formats that have one beside them."""

from __future__ import annotations

from .lobster_check import check_lobster
from .readers import Source
from .readers.lobster import Lobster
from .report import Check


def find_checks(source: Source) -> list[Check]:
    """All comparisons that the files beside the source allow; none is an empty list."""
    return check_lobster(source) if isinstance(source, Lobster) else []
