"""What stands along the axes: time of day or dates, prices and quantities in real units."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from math import gcd
from typing import Any

import numpy as np
import numpy.typing as npt

from .packed import packed
from .style import GRID, INK, LEFT, QUIET, RIGHT_EDGE

__all__ = ["Scale", "TimeAxis", "axis", "busy_time", "layout"]

_DAY_NS = 86_400 * 10**9
_SHORT_NS = 20_000_000
"""Below 20 ms a clock is no help: time is counted from the first message."""
_CLOCK = [
    {"dtickrange": [None, 1000], "value": "%H:%M:%S.%L"},
    {"dtickrange": [1000, 60_000], "value": "%H:%M:%S"},
    {"dtickrange": [60_000, None], "value": "%H:%M"},
]


@dataclass(frozen=True, slots=True)
class TimeAxis:
    """The time from the first thing seen to the last, and how it is written."""

    start_ns: int
    end_ns: int
    cut: bool = False
    """Whether there was something before or after."""

    @property
    def span_ns(self) -> int:
        """Length of the axis."""
        return self.end_ns - self.start_ns

    @property
    def counted(self) -> bool:
        """Whether time is counted in microseconds from the first message."""
        return self.span_ns < _SHORT_NS

    def values(self, timestamp_ns: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
        """Times in the unit of the axis: milliseconds of a date, or microseconds counted."""
        if self.counted:
            return (timestamp_ns - self.start_ns) / 1e3
        return timestamp_ns / 1e6

    def packed(self, timestamp_ns: npt.NDArray[np.int64]) -> dict[str, str]:
        """Times as plotly reads them."""
        return packed(self.values(timestamp_ns))

    def layout(self) -> dict[str, Any]:
        """The axis for plotly. Times less than two days after zero are times of a day."""
        ends = self.values(np.array([self.start_ns, self.end_ns], dtype=np.int64))
        wanted = axis("")
        wanted["range"] = ends.tolist()
        if self.counted:
            return wanted | {"title": _title("microseconds after the first message")}
        wanted["type"] = "date"
        if self.start_ns > -_DAY_NS and self.end_ns < 2 * _DAY_NS:
            title, hover = "time of day", "%H:%M:%S.%L"
            wanted["tickformatstops"] = _CLOCK
        else:
            title, hover = "time (UTC)", "%Y-%m-%d %H:%M:%S.%L"
        return wanted | {"title": _title(title), "hoverformat": hover}


def busy_time(timestamp_ns: npt.NDArray[np.int64]) -> TimeAxis:
    """The axis from the first to the last of some times, without long silence at either end.

    The book that a recording starts with may carry a time hours before anything happens.
    So where more than half of the time goes by with a fiftieth of the moments or less
    before it (or after it), the axis begins (or ends) at the moments on its other side.
    """
    times = np.sort(timestamp_ns)
    few = len(times) // 50
    first, last = 0, len(times) - 1
    if few:
        gaps = np.diff(times)
        longest = int(np.argmax(gaps[:few]))
        if gaps[longest] > (times[last] - times[first]) // 2:
            first = longest + 1
        longest = last - few + int(np.argmax(gaps[-few:]))
        if gaps[longest] > (times[last] - times[first]) // 2:
            last = longest
    cut = bool(times[0] < times[first] or times[last] < times[-1])
    return TimeAxis(int(times[first]), int(times[last]), cut)


@dataclass(frozen=True, slots=True)
class Scale:
    """How whole ticks or lots are shown: ``10**-decimals`` of a unit, to ``shown`` decimals."""

    decimals: int
    shown: int
    unit: str

    @classmethod
    def of(cls, decimals: int, values: npt.NDArray[np.int64], unit: str = "") -> Scale:
        """The scale that shows all of ``values`` exactly, and no zeros that all of them end in."""
        common = int(np.gcd.reduce(values)) if len(values) else 0
        trimmed = 0
        while trimmed < decimals and gcd(common, 10 ** (trimmed + 1)) == 10 ** (trimmed + 1):
            trimmed += 1
        return cls(decimals, decimals - (trimmed if common else 0), unit)

    @property
    def format(self) -> str:
        """The format in the notation of d3."""
        return f",.{self.shown}f"

    def values(self, whole: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
        """The doubles nearest to the exact decimals."""
        return whole / np.float64(10**self.decimals)

    def value(self, whole: int) -> float:
        """The double nearest to one exact decimal."""
        return whole / 10**self.decimals

    def packed(self, whole: npt.NDArray[Any]) -> dict[str, str]:
        """Prices or quantities as plotly reads them."""
        return packed(self.values(whole))

    def text(self, whole: int) -> str:
        """One of them in writing."""
        return f"{self.value(whole):,.{self.shown}f}"

    def titled(self, what: str) -> str:
        """A label with the unit, if it has one."""
        return f"{what} ({escape(self.unit, quote=False)})" if self.unit else what


def axis(title: str, **more: Any) -> dict[str, Any]:
    """An axis in the manner of all of them."""
    wanted: dict[str, Any] = {
        "title": _title(title),
        "gridcolor": GRID,
        "linecolor": QUIET,
        "zeroline": False,
        "tickfont": {"color": QUIET},
        "ticks": "outside",
        "tickcolor": QUIET,
        "exponentformat": "none",
        "separatethousands": True,
    }
    return wanted | more


def layout(height: int, **more: Any) -> dict[str, Any]:
    """A layout in the manner of all of them, the legend in a row of its own above the data."""
    wanted: dict[str, Any] = {
        "height": height,
        "margin": {"l": LEFT, "r": RIGHT_EDGE, "t": 44, "b": 52},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"color": INK, "size": 13},
        "modebar": {"bgcolor": "rgba(0,0,0,0)", "color": QUIET, "activecolor": INK},
        "hovermode": "closest",
        "dragmode": "zoom",
        "legend": {"orientation": "h", "x": 0, "xanchor": "left", "y": 1.02, "yanchor": "bottom"},
    }
    return wanted | more


def _title(text: str) -> dict[str, Any]:
    return {"text": text, "font": {"color": QUIET, "size": 13}, "standoff": 10}
