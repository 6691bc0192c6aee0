"""The depth of the book as a map of time and price, the quantity as shade."""

from __future__ import annotations

from html import escape
from typing import Any

import numpy as np
import numpy.typing as npt

from .axes import Scale, TimeAxis, axis, layout
from .columns import Columns
from .packed import packed
from .style import BUY, QUIET, SELL, faded
from .window import Window, depth_window

__all__ = ["depth_picture"]

_MOST_ROWS, _FEWEST_ROWS = 180, 60
_SHADES = 100
_FAINTEST = 12
"""The shade of the least quantity that is told apart, of 100."""


def depth_picture(
    columns: Columns, usual_ticks: int, time: TimeAxis, price: Scale, qty: Scale
) -> dict[str, Any] | None:
    """The map as a figure; None if no level was ever in use."""
    levels = columns.levels
    window = depth_window(levels, usual_ticks)
    if window is None:
        return None
    grid, step = _grid(levels, window)
    bottom = window.low_ticks // step * step
    rows = window.high_ticks // step - bottom // step + 1
    lots = _lots(levels, bottom, step, rows)
    least, greatest = _limits(np.abs(lots[lots != 0]))
    shades = _shades(lots, least, greatest)
    about = "" if step == grid else f" ± {(step - grid) / 2 / 10**price.decimals:.6g}"
    map_ = {
        "type": "heatmap",
        "x": time.packed(columns.middle_ns),
        "y": price.packed(bottom + step * np.arange(rows) + (step - grid) / 2),
        "z": packed(shades),
        "zmin": -_SHADES,
        "zmax": _SHADES,
        "customdata": packed(qty.values(np.abs(lots)).astype(np.float32)),
        "colorscale": [
            [0, faded(BUY, 1)],
            [0.4999, faded(BUY, 0)],
            [0.5, faded(BUY, 0)],
            [0.5001, faded(SELL, 0)],
            [1, faded(SELL, 1)],
        ],
        "colorbar": _bar(least, greatest, qty),
        "hovertemplate": (
            f"%{{x}}<br>%{{y:{price.format}}}{about}<br>quantity %{{customdata:,}}<extra></extra>"
        ),
    }
    low = (bottom - grid / 2) / 10**price.decimals
    high = (bottom + rows * step - grid / 2) / 10**price.decimals
    y = axis(price.titled("price"), range=[low, high])
    # The scale of shades stands above the map, so that its time axis is as long as the others.
    wanted = layout(480, xaxis=time.layout(), yaxis=y)
    wanted["margin"] = wanted["margin"] | {"t": 74}
    return {"data": [map_], "layout": wanted}


def _grid(levels: npt.NDArray[np.void], window: Window) -> tuple[int, int]:
    """The distance that all prices keep, and a multiple of it as the height of a row.

    A row is as high as neighbouring levels are usually apart, or a book with gaps would be a
    scatter of lines; and higher if the rows were too many.
    """
    prices, used = levels["price_ticks"], levels["qty_lots"] > 0
    inside = prices[used & (prices >= window.low_ticks) & (prices <= window.high_ticks)]
    grid = max(int(np.gcd.reduce(inside)), 1) if len(inside) else 1
    apart = np.abs(np.diff(prices, axis=2))[used[:, :, 1:]]
    usual = int(np.quantile(apart, 0.75)) // grid if len(apart) else 1
    needed = -(-(window.high_ticks - window.low_ticks) // (grid * _MOST_ROWS))
    fewest = (window.high_ticks - window.low_ticks) // (grid * _FEWEST_ROWS)
    return grid, grid * max(needed, min(usual, fewest), 1)


def _lots(levels: npt.NDArray[np.void], bottom: int, step: int, rows: int) -> npt.NDArray[Any]:
    """Lots by row and column, those of bids negative; zero where nothing rests."""
    count = len(levels)
    lots = np.zeros((2, rows * count))
    for side in range(2):
        prices, qty = levels["price_ticks"][:, side], levels["qty_lots"][:, side]
        row = (prices - bottom) // step
        shown = (qty > 0) & (row >= 0) & (row < rows)
        at = (row * count + np.arange(count)[:, np.newaxis])[shown]
        lots[side] = np.bincount(at, weights=qty[shown], minlength=rows * count)
    # A row that is higher than a tick may hold both sides: the larger one is shown.
    signed = np.where(lots[0] > lots[1], -lots[0], lots[1])
    return signed.reshape(rows, count)


def _limits(lots: npt.NDArray[np.float64]) -> tuple[float, float]:
    """The least and the greatest quantity that are told apart; what is beyond has their shade."""
    if not len(lots):
        return 1.0, 10.0
    least, greatest = np.quantile(lots, [0.02, 0.998])
    return float(least), float(max(greatest, 2 * least))


def _shades(lots: npt.NDArray[np.float64], least: float, greatest: float) -> npt.NDArray[np.int8]:
    inside = np.clip(np.abs(lots), least, greatest)
    share = np.log(inside / least) / np.log(greatest / least)
    shade = np.rint(_FAINTEST + (_SHADES - _FAINTEST) * share)
    signed: npt.NDArray[np.int8] = (np.sign(lots) * shade).astype(np.int8)
    return signed


def _bar(least: float, greatest: float, qty: Scale) -> dict[str, Any]:
    """The scale of shades: quantities of 1, 10, 100 and so on, to both sides of the middle."""
    unit = 10.0**qty.decimals
    # Where less than two powers of ten are told apart, also their doubles and halves.
    digits = (1, 2, 5) if greatest < 100 * least else (1,)
    decades = range(int(np.floor(np.log10(least / unit))), int(np.log10(greatest / unit)) + 2)
    ticks = [digit * 10.0**decade for decade in decades for digit in digits]
    shown = np.array([tick for tick in ticks if least <= tick * unit * (1 + 1e-9) <= greatest])
    shades = _shades(shown * unit, least, greatest).tolist()
    texts = [f"{tick:,.6g}" for tick in shown.tolist()]
    return {
        "orientation": "h",
        "x": 0,
        "xanchor": "left",
        "y": 1.0,
        "yanchor": "bottom",
        "xpad": 0,
        "ypad": 8,
        "len": 0.62,
        "thickness": 12,
        "outlinewidth": 0,
        "tickvals": [-shade for shade in reversed(shades)] + shades,
        "ticktext": [*reversed(texts), *texts],
        "tickfont": {"color": QUIET, "size": 12},
        "title": {
            "text": f"← bid    {escape(qty.unit or 'quantity', quote=False)}    offered →",
            "side": "top",
            "font": {"color": QUIET, "size": 13},
        },
    }
