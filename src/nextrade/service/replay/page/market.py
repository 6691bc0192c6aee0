"""The pictures of one market over time."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ..series import Candles, DepthSamples, Series
from .axes import Scale, TimeAxis, axis, busy_time, layout
from .columns import Columns, columns
from .depth import depth_picture
from .packed import packed
from .style import BUY, GRID, INK, OTHER, SELL, faded
from .window import WIDE, Window, price_window, touch, usual_spread

__all__ = ["Picture", "market_pictures"]

_BARS = 120
_CURVE = {"mode": "lines", "type": "scatter"}


class Picture(NamedTuple):
    """A figure of plotly's, with what is said above it."""

    name: str
    heading: str
    caption: str
    figure: dict[str, Any]
    over_time: bool


class _Market(NamedTuple):
    samples: DepthSamples
    candles: Candles
    columns: Columns
    usual_ticks: int
    """The usual spread."""
    time: TimeAxis
    price: Scale
    qty: Scale


def market_pictures(series: Series, price: tuple[int, str], qty: tuple[int, str]) -> list[Picture]:
    """What can be drawn of a market; nothing if nothing happened or all at one time.

    ``price`` and ``qty`` are the decimals and the unit of ticks and lots.
    """
    samples, candles = series.depth(), series.candles()
    times = np.concatenate([samples.timestamp_ns, candles.timestamp_ns])
    if not len(times) or times.min() == times.max():
        return []
    time = busy_time(times)
    used = samples.levels[samples.levels["qty_lots"] > 0]
    prices = np.concatenate([used["price_ticks"], candles.low_ticks, candles.high_ticks])
    lots = np.concatenate([used["qty_lots"], _whole(candles)])
    market = _Market(
        samples,
        candles,
        columns(samples, time),
        usual_spread(samples.levels),
        time,
        Scale.of(price[0], prices, price[1]),
        Scale.of(qty[0], lots, qty[1]),
    )
    made = [_price(market)]
    if len(candles.trades):
        made.append(_volume(market))
    if len(used):
        depth = depth_picture(market.columns, market.usual_ticks, time, market.price, market.qty)
        if depth is not None:
            made.append(
                Picture(
                    "depth",
                    "Depth of the book",
                    f"Resting quantity at each price, best {series.levels} levels of both sides. "
                    "Logarithmic: each shade up is several times more.",
                    depth,
                    True,
                )
            )
        if touch(samples.levels)[2].any():
            made.append(_spread(market))
        made.append(_imbalance(market))
    return made


def _whole(candles: Candles) -> npt.NDArray[np.int64]:
    """Traded lots as whole numbers, as far as these say how many decimals are in use."""
    lots = np.stack([candles.bought_lots, candles.sold_lots, candles.other_lots])
    small = lots[lots < 2.0**53].astype(np.int64)
    return small[small > 0]


def _price(market: _Market) -> Picture:
    samples, candles, time, price = market.samples, market.candles, market.time, market.price
    # Trades first, so that the quotes are drawn over them.
    data = _trades(candles, time, price) if len(candles.trades) else []
    bids, asks, open_ = touch(samples.levels)
    if open_.any():
        x = time.packed(_held(samples.timestamp_ns, time))
        for name, values, colour in (("best bid", bids, BUY), ("best ask", asks, SELL)):
            data.append(
                {
                    **_CURVE,
                    "name": name,
                    "x": x,
                    "y": packed(_held_values(np.where(open_, price.values(values), np.nan))),
                    "line": {"color": colour, "width": 1.3, "shape": "hv"},
                    "hovertemplate": f"%{{x}}<br>{name} %{{y:{price.format}}}<extra></extra>",
                }
            )
    window = price_window(market.columns.levels, candles, market.usual_ticks)
    caption = "Best quotes" if not len(candles.trades) else "Best quotes and trades"
    if len(candles.trades):
        caption += _trades_outside(candles, window, price)
    wanted = axis(price.titled("price"))
    if window is not None:
        padded = window.padded()
        low, high = padded.low_ticks, padded.high_ticks
        if (bids[open_] < low).any() or (asks[open_] > high).any():
            caption += ". Quotes far from the market lie outside"
        wanted["range"] = [price.value(low), price.value(high)]
    figure = {"data": data, "layout": layout(420, xaxis=time.layout(), yaxis=wanted)}
    caption += "." + (" Idle time at an end is left out; Autoscale shows it." if time.cut else "")
    return Picture("price", "Price", caption, figure, True)


def _trades(candles: Candles, time: TimeAxis, price: Scale) -> list[dict[str, Any]]:
    """A dot where each stretch of time closed, and a line from its lowest to its highest price."""
    x = time.values(candles.timestamp_ns)
    moved = np.flatnonzero(candles.high_ticks > candles.low_ticks)
    gaps = np.full(len(moved), np.nan)
    ends = (price.values(candles.low_ticks[moved]), price.values(candles.high_ticks[moved]), gaps)
    made: list[dict[str, Any]] = []
    if len(moved):
        made.append(
            {
                **_CURVE,
                "name": "trades, low to high",
                "x": packed(np.repeat(x[moved], 3)),
                "y": packed(np.stack(ends, axis=1).ravel()),
                "line": {"color": INK, "width": 1},
                "opacity": 0.45,
                "hoverinfo": "skip",
            }
        )
    one_each = bool((candles.trades == 1).all())
    made.append(
        {
            "type": "scatter",
            "mode": "markers",
            "name": "trades" if one_each else "last trade",
            "x": packed(x),
            "y": price.packed(candles.close_ticks),
            "customdata": packed(
                np.stack(
                    [
                        price.values(candles.low_ticks),
                        price.values(candles.high_ticks),
                        candles.trades.astype(np.float64),
                    ],
                    axis=1,
                )
            ),
            "marker": {"color": INK, "size": 3.2, "opacity": 0.75},
            "hovertemplate": (
                f"%{{x}}<br>last %{{y:{price.format}}}"
                f"<br>%{{customdata[0]:{price.format}}} to %{{customdata[1]:{price.format}}}"
                "<br>trades %{customdata[2]:,}<extra></extra>"
            ),
        }
    )
    return made


def _trades_outside(candles: Candles, window: Window | None, price: Scale) -> str:
    """What is said of trades that the picture does not show at first."""
    if window is None:
        return ""
    lowest, highest = int(candles.low_ticks.min()), int(candles.high_ticks.max())
    if lowest >= window.low_ticks and highest <= window.high_ticks:
        return ""
    return (
        f". Some trades lie outside: the lowest was at {price.text(lowest)}, "
        f"the highest at {price.text(highest)}; Autoscale shows them"
    )


def _volume(market: _Market) -> Picture:
    candles, time, qty = market.candles, market.time, market.qty
    ends = time.values(np.array([time.start_ns, time.end_ns], dtype=np.int64))
    edges = np.linspace(ends[0], ends[1], _BARS + 1)
    x = time.values(candles.timestamp_ns)
    data = []
    for name, lots, colour in (
        ("buyers took", candles.bought_lots, BUY),
        ("sellers took", candles.sold_lots, SELL),
        ("auction", candles.other_lots, OTHER),
    ):
        if not lots.any():
            continue
        bars, _ = np.histogram(x, edges, weights=qty.values(lots))
        data.append(
            {
                "type": "bar",
                "name": name,
                "x": packed((edges[:-1] + edges[1:]) / 2),
                "y": packed(bars),
                "width": float(edges[1] - edges[0]),
                "marker": {"color": colour, "line": {"width": 0}},
                "hovertemplate": f"%{{x}}<br>{name} %{{y:,}}<extra></extra>",
            }
        )
    wanted = layout(
        250,
        barmode="stack",
        bargap=0,
        xaxis=time.layout(),
        yaxis=axis(qty.titled("quantity"), rangemode="tozero"),
    )
    what = "Quantity traded in each of 120 parts of the time, by who took it."
    return Picture("volume", "Volume", what, {"data": data, "layout": wanted}, True)


def _spread(market: _Market) -> Picture:
    samples, time, price = market.samples, market.time, market.price
    bids, asks, open_ = touch(samples.levels)
    spread = np.where(open_, price.values(asks - bids), np.nan)
    widest = np.where(samples.widest_ticks > 0, price.values(samples.widest_ticks), np.nan)
    now: dict[str, Any] = {
        **_CURVE,
        "name": "spread",
        "x": time.packed(_held(samples.timestamp_ns, time)),
        "y": packed(_held_values(spread)),
        "line": {"color": INK, "width": 1.2, "shape": "hv"},
        "hovertemplate": f"%{{x}}<br>spread %{{y:{price.format}}}<extra></extra>",
    }
    data: list[dict[str, Any]] = [now]
    if not np.array_equal(spread, widest, equal_nan=True):
        since = {
            "name": "widest since the sample before",
            "y": packed(_held_values(widest)),
            "line": {"color": OTHER, "width": 1, "shape": "vh"},
            "opacity": 0.7,
            "hovertemplate": f"%{{x}}<br>widest %{{y:{price.format}}}<extra></extra>",
        }
        data.insert(0, now | since)
    median = float(np.nanmedian(spread))
    every = np.fmax(widest, spread)
    usual = every[every <= WIDE * median]
    top = min(float(usual.max()), 1.5 * float(np.quantile(usual, 0.99)))
    wanted = axis(price.titled("spread"), range=[0, max(top * 1.08, median * 2)])
    figure = {"data": data, "layout": layout(260, xaxis=time.layout(), yaxis=wanted)}
    what = f"Best ask less best bid; the median of the samples is {median:,.{price.shown}f}, "
    what += f"the widest that was seen {float(np.nanmax(every)):,.{price.shown}f}."
    return Picture("spread", "Spread", what, figure, True)


def _imbalance(market: _Market) -> Picture:
    lots = market.columns.levels["qty_lots"].astype(np.float64).sum(axis=2)
    total = lots.sum(axis=1)
    share = np.divide(
        lots[:, 0] - lots[:, 1], total, out=np.full(len(total), np.nan), where=total > 0
    )
    x = market.time.packed(market.columns.middle_ns)
    data = []
    for name, values, colour in (
        ("more bid", np.fmax(share, 0), BUY),
        ("more offered", np.fmin(share, 0), SELL),
    ):
        data.append(
            {
                **_CURVE,
                "name": name,
                "x": x,
                "y": packed(np.nan_to_num(values)),
                "fill": "tozeroy",
                "fillcolor": faded(colour, 0.55),
                "line": {"color": colour, "width": 1, "shape": "hvh"},
                "hovertemplate": "%{x}<br>imbalance %{y:.2f}<extra></extra>",
            }
        )
    wanted = axis("imbalance", range=[-1.05, 1.05], tickvals=[-1, -0.5, 0, 0.5, 1])
    wanted |= {"zeroline": True, "zerolinecolor": GRID}
    figure = {"data": data, "layout": layout(260, xaxis=market.time.layout(), yaxis=wanted)}
    what = (
        "Bid quantity less offered quantity as a share of both, over the levels that are shown: "
        "1 if only bids rest, −1 if only offers."
    )
    return Picture("imbalance", "Imbalance of the book", what, figure, True)


def _held(timestamp_ns: npt.NDArray[np.int64], time: TimeAxis) -> npt.NDArray[np.int64]:
    """The samples' times and the end of the axis: the last sample holds until there."""
    return np.append(timestamp_ns, np.int64(time.end_ns))


def _held_values(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.append(values, values[-1:])
