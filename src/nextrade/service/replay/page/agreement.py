"""How far a replay agrees with what was recorded, as the picture needs it."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["Agreement"]


class Agreement(NamedTuple):
    """Of some recorded things, how many came out of the replay how."""

    name: str
    exact: int
    same_volume: int
    """The same in total, but not in every part."""
    different: int

    @property
    def total(self) -> int:
        """How many were compared."""
        return self.exact + self.same_volume + self.different
