"""The figures of a report as headed rows of text, whatever figures there are."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from ..report import decimal_text

__all__ = ["Sections", "sections_of"]

Sections = list[tuple[str, list[tuple[str, str]]]]
"""Headings, each with its rows: what, and how much."""


def sections_of(values: Mapping[str, Any], heading: str = "Replay") -> Sections:
    """Rows of ``Report.as_dict()`` or any mapping like it, in its order.

    A mapping inside becomes a section of its own, a list of texts a section of notes, and
    a list of mappings one row each, headed by its ``name``.

    >>> sections_of({"trades": 12345, "by_kind": {"PLACE": 2}})
    [('Replay', [('trades', '12,345')]), ('By kind', [('PLACE', '2')])]
    """
    own: list[tuple[str, str]] = []
    further: Sections = []
    for key, value in values.items():
        title = key.replace("_", " ")
        if isinstance(value, Mapping) and value.keys() == {"numerator", "denominator"}:
            exact = Fraction(int(value["numerator"]), int(value["denominator"]))
            own.append((title, decimal_text(exact, 4)))
        elif isinstance(value, Mapping):
            if value:
                rows = [(str(name), _text(inner)) for name, inner in value.items()]
                further.append((_headed(title), rows))
        elif isinstance(value, list | tuple):
            if value:
                further.append((_headed(title), [_row(item) for item in value]))
        else:
            # Sums of any size are digits in a text; a hash is no number.
            number = isinstance(value, str) and value.isdecimal() and not key.endswith("hash")
            own.append((title, _text(int(value) if number else value)))
    return [(heading, own), *further] if own else further


def _row(item: object) -> tuple[str, str]:
    if not isinstance(item, Mapping):
        return "", _text(item)
    said = [
        f"{name} {_text(value)}"
        for name, value in item.items()
        if name != "name" and value not in ("", None)
    ]
    return _text(item.get("name", "")), ", ".join(said)


def _text(value: object) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.3f}"
    return str(value)


def _headed(title: str) -> str:
    return title[:1].upper() + title[1:]
