"""One thing that ``nextrade doctor`` looked at, and what it thinks of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

State = Literal["ok", "note", "wrong"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. ``fix`` is empty if there is nothing to mend."""

    name: str
    state: State
    found: str
    fix: str = ""
