"""The pictures that have no time axis: how long commands took, how far replay and record agree."""

from __future__ import annotations

from html import escape
from typing import Any

import numpy as np

from ..latency import LatencyHistogram
from .agreement import Agreement
from .axes import axis, layout
from .market import Picture
from .packed import packed
from .style import BUY, CLOSE, GRID, INK, QUIET, RIGHT, WRONG, faded

__all__ = ["agreement_picture", "latency_picture"]

_PERCENTS = (50.0, 90.0, 99.0, 99.9)
_A_DECADE = 24
"""Bars a power of ten: wide enough that the curve is not ragged."""


def latency_picture(latency: LatencyHistogram) -> Picture:
    """Commands by duration, both axes logarithmic, with lines at the usual percentiles."""
    held = latency.bins()
    middle = np.maximum((held.low_ns + held.high_ns) / 2, 1.0)
    first = int(np.floor(np.log10(middle[0]) * _A_DECADE))
    last = int(np.floor(np.log10(middle[-1]) * _A_DECADE))
    at = np.floor(np.log10(middle) * _A_DECADE).astype(np.int64) - first
    counts = np.bincount(at, weights=held.counts, minlength=last - first + 1)
    edges = 10.0 ** (np.arange(first, last + 2) / _A_DECADE)
    # Each bar as its four corners; on a logarithmic axis the ground is anything below 1.
    ground = 0.1
    x = np.repeat(edges, 2)
    y = np.concatenate([[ground], np.repeat(np.maximum(counts, ground), 2), [ground]])
    curve = {
        "type": "scatter",
        "mode": "lines",
        "x": packed(x),
        "y": packed(y),
        "fill": "tozeroy",
        "fillcolor": faded(BUY, 0.35),
        "line": {"color": BUY, "width": 1.2},
        "showlegend": False,
        "hovertemplate": "%{x:,.0f} ns<br>%{y:,} commands<extra></extra>",
    }
    marks = [
        (f"{percent:g}\N{NO-BREAK SPACE}%", latency.percentile(percent)) for percent in _PERCENTS
    ]
    marks.append(("max", latency.max))
    low, high = float(np.log10(edges[0])), float(np.log10(edges[-1]))
    high += 0.04 * (high - low)
    top = float(np.log10(counts.max()))
    wanted = layout(
        350,
        xaxis=axis("time for one command", type="log", range=[low, high], **_durations(low, high)),
        yaxis=axis("commands", type="log", range=[np.log10(0.7), top + 0.1 * max(top, 1)], dtick=1),
        shapes=[_line(ns) for _, ns in marks],
        annotations=_labels(marks, low, high),
        showlegend=False,
    )
    wanted["margin"] = wanted["margin"] | {"t": 84}  # the labels stay below the toolbar
    said = ", ".join(f"{name} {duration_text(ns)}" for name, ns in marks)
    what = f"{latency.count:,} commands by the time that each took: {said}."
    return Picture("latency", "Latency", what, {"data": [curve], "layout": wanted}, False)


def duration_text(ns: float) -> str:
    """A duration with a fitting unit.

    >>> duration_text(1500).split()
    ['1.5', 'µs']
    """
    for unit, size in (("s", 1e9), ("ms", 1e6), ("µs", 1e3)):
        if ns >= size:
            return f"{ns / size:.3g}\N{NO-BREAK SPACE}{unit}"
    return f"{ns:.3g}\N{NO-BREAK SPACE}ns"


def _durations(low: float, high: float) -> dict[str, Any]:
    """Ticks of a logarithmic axis at 1, 10, 100 of each unit; also 2 and 5 on a short one."""
    fine = (1, 2, 5) if high - low < 3 else (1,)
    ticks = [
        digit * 10.0**power
        for power in range(int(np.floor(low)), int(np.ceil(high)) + 1)
        for digit in fine
    ]
    shown = [tick for tick in ticks if low <= np.log10(tick) <= high]
    return {"tickvals": shown, "ticktext": [duration_text(tick) for tick in shown]}


def _line(ns: int) -> dict[str, Any]:
    return {
        "type": "line",
        "xref": "x",
        "yref": "paper",
        "x0": max(ns, 1),
        "x1": max(ns, 1),
        "y0": 0,
        "y1": 1,
        "line": {"color": INK, "width": 1, "dash": "dot"},
    }


def _labels(marks: list[tuple[str, int]], low: float, high: float) -> list[dict[str, Any]]:
    """Names above the lines, a row higher where two would stand on each other."""
    made: list[dict[str, Any]] = []
    ends = [-1.0, -1.0, -1.0]
    for name, ns in marks:
        share = (float(np.log10(max(ns, 1))) - low) / (high - low)
        row = next((row for row in range(3) if share - ends[row] > 0.075), 2)
        ends[row] = share
        made.append(
            {
                "xref": "x",
                "yref": "paper",
                "x": float(np.log10(max(ns, 1))),
                "y": 1,
                "yanchor": "bottom",
                "yshift": 2 + 16 * row,
                "text": name,
                "showarrow": False,
                "font": {"size": 12, "color": QUIET},
            }
        )
    return made


def agreement_picture(rows: list[Agreement]) -> Picture:
    """A bar for each row: how much is exactly, nearly and not as recorded."""
    names = [escape(row.name, quote=False) for row in rows]
    totals = np.array([max(row.total, 1) for row in rows])
    data = []
    for name, counts, colour in (
        ("exact", [row.exact for row in rows], RIGHT),
        ("same volume", [row.same_volume for row in rows], CLOSE),
        ("different", [row.different for row in rows], WRONG),
    ):
        shares = 100 * np.array(counts) / totals
        data.append(
            {
                "type": "bar",
                "orientation": "h",
                "name": name,
                "y": names,
                "x": packed(shares),
                "customdata": counts,
                "text": [_share_text(share) if share >= 6 else "" for share in shares.tolist()],
                "textposition": "inside",
                "insidetextanchor": "middle",
                "textangle": 0,
                "insidetextfont": {"color": "#ffffff" if name != "same volume" else "#1f2933"},
                "marker": {"color": colour, "line": {"width": 0}},
                "hovertemplate": f"%{{y}}<br>{name} %{{customdata:,}}, %{{x:.2f}} %<extra></extra>",
            }
        )
    wanted = layout(
        130 + 38 * len(rows),
        barmode="stack",
        bargap=0.25,
        xaxis=axis("share of the recorded, %", range=[0, 100]),
        yaxis=axis("", autorange="reversed", automargin=True, ticks="", showgrid=False),
    )
    wanted["legend"] = wanted["legend"] | {"traceorder": "normal"}
    wanted["xaxis"]["gridcolor"] = GRID
    what = "; ".join(
        f"{row.name}: {row.exact:,} of {row.total:,} exact, {row.same_volume:,} with the same "
        f"volume, {row.different:,} different"
        for row in rows
    )
    figure = {"data": data, "layout": wanted}
    return Picture("agreement", "Agreement with the recording", f"{what}.", figure, False)


def _share_text(share: float) -> str:
    """A share that is not quite all is not rounded up to all."""
    return f"{min(share, 99.99) if share < 100 else share:.4g} %"
