"""What is in a file: counted in one pass, part by part, without any book.

Memory follows the number of markets and nothing else. Sums are exact, however large; only the
median size of an order is out of a histogram, right to within 2 %.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from ...enums import CommandKind, OrderType
from .clock import time_text
from .latency import LatencyHistogram
from .messages import Action, Aggressors, Flag, Messages, Part
from .readers.source import Batch, Commands, Flow, Recording, Source
from .readers.unpacked import unpacked
from .stats_markets import MarketStats, MarketTable
from .stats_times import Times, TimeStats

BUSIEST = 10
"""So many markets are told of one by one."""

_CODES = 256


@dataclass(frozen=True, slots=True)
class SizeStats:
    """Sizes and prices of the orders that were added."""

    orders: int
    least_lots: int | None = None
    """None without orders, as the next three."""
    median_lots: int | None = None
    most_lots: int | None = None
    lowest_ticks: int | None = None
    """Of those with a price."""
    highest_ticks: int | None = None


@dataclass(frozen=True, slots=True)
class FileStats:
    """What is in a file. Prices in ticks, quantities in lots."""

    path: str
    format_name: str
    packed: str
    """``gzip``, ``xz``, ``zstd``, or nothing."""
    bytes_on_disk: int
    is_flow: bool
    """Whether it holds commands instead of what a market told."""
    price_decimals: int
    qty_decimals: int
    records: int
    starting_orders: int
    """Records of the starting book; these have no part in the figures of time."""
    kinds: dict[str, int]
    """Records of each action; of a flow, commands of each kind. Most frequent first."""
    order_types: dict[str, int]
    """Of a flow: new orders of each type."""
    times: TimeStats
    sizes: SizeStats
    cancels: int
    """Of an order or a part of it; what restates an execution is none."""
    executions: int
    """Trades, where the recording tells of them; else fills of orders that waited."""
    volume_lots: int
    """Of the executions and the hidden ones."""
    hidden_executions: int
    hidden_lots: int
    auction_orders: int
    """Orders meant for a call auction alone."""
    auction_executions: int
    """TRADE and FILL messages that a call auction made."""
    depth_rows: int
    """Moments at which the recording itself shows the best levels."""
    depth_levels: int
    """How many levels, at most."""
    markets: int
    busiest: tuple[MarketStats, ...]
    """The markets with most records."""
    unknown_orders: int | None = None
    """Orders that are named but never came; None if not looked for."""
    remarks: tuple[str, ...] = field(default=())

    @property
    def cancel_share(self) -> float:
        """Cancels as a share of all records."""
        return self.cancels / self.records if self.records else 0.0

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON. Sums of quantities are text, so that no reader rounds them."""
        found: dict[str, Any] = asdict(self)
        times = found["times"]
        for name in ("first_ns", "last_ns", "busiest_second_ns", "longest_gap_from_ns"):
            ns = times[name]
            times[name.removesuffix("_ns")] = None if ns is None else time_text(ns)
        for name in ("volume_lots", "hidden_lots"):
            found[name] = str(found[name])
        for market in found["busiest"]:
            market["volume_lots"] = str(market["volume_lots"])
        found["cancel_share"] = round(self.cancel_share, 6)
        return found


class Stats:
    """Counts what the parts of a source hold: ``add`` each, in order, then ask for ``figures``."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._fills_are_priced = (
            isinstance(source, Recording) and source.aggressors != Aggressors.UNLINKED
        )
        """Otherwise a fill has the price of the order, not of the trade."""
        self._kinds = np.zeros(_CODES, dtype=np.int64)
        self._types = np.zeros(_CODES, dtype=np.int64)
        self._times = Times()
        self._sizes = LatencyHistogram()
        self._lowest: int | None = None
        self._highest: int | None = None
        self._markets = MarketTable()
        self._orders = self._cancels = 0
        self._starting = self._auction_orders = self._auction_executions = 0
        self._depth_rows = self._depth_levels = 0

    def add(self, part: Part | Batch) -> None:
        """Take in the next records."""
        if isinstance(part, Batch):
            self._add_commands(part.commands)
            return
        self._add_messages(part.messages)
        if part.depth is not None:
            rows, _, levels = part.depth.levels.shape
            self._depth_rows += rows
            self._depth_levels = max(self._depth_levels, levels)

    def _add_commands(self, commands: Commands) -> None:
        self._kinds += np.bincount(commands["kind"], minlength=_CODES)
        self._times.add(commands["timestamp_ns"])
        cancels = np.isin(commands["kind"], (CommandKind.CANCEL, CommandKind.REDUCE))
        self._cancels += int(np.count_nonzero(cancels))
        places = commands["kind"] == CommandKind.PLACE
        placed = commands[places]
        self._types += np.bincount(placed["order_type"], minlength=_CODES)
        self._add_sizes(placed)
        nothing = np.zeros(len(commands), dtype=np.bool_)
        self._markets.add(
            commands,
            added=places,
            trades=nothing,
            fills=nothing,
            hidden=nothing,
            priced=places & (commands["price_ticks"] > 0),
        )

    def _add_messages(self, messages: Messages) -> None:
        actions, flags = messages["action"], messages["flags"]
        self._kinds += np.bincount(actions, minlength=_CODES)
        starting = flags & Flag.SNAPSHOT != 0
        self._starting += int(np.count_nonzero(starting))
        self._times.add(messages["timestamp_ns"][~starting])
        cancels = np.isin(actions, (Action.CANCEL, Action.REDUCE)) & (flags & Flag.RESTATES == 0)
        self._cancels += int(np.count_nonzero(cancels))
        adds = actions == Action.ADD
        self._add_sizes(messages[adds & ~starting])
        trades = actions == Action.TRADE
        fills = (actions == Action.FILL) & (flags & Flag.AGGRESSOR == 0)
        hidden = actions == Action.HIDDEN
        in_auction = flags & Flag.AUCTION != 0
        self._auction_orders += int(np.count_nonzero(in_auction & adds))
        executes = trades | (actions == Action.FILL)
        self._auction_executions += int(np.count_nonzero(in_auction & executes))
        self._markets.add(
            messages,
            added=adds & ~starting,
            trades=trades,
            fills=fills,
            hidden=hidden,
            priced=(trades | hidden | (fills & self._fills_are_priced))
            & (messages["qty_lots"] > 0),
        )

    def _add_sizes(self, orders: npt.NDArray[np.void]) -> None:
        # No quantity: a market order that says how much it may cost.
        self._sizes.add(orders["qty_lots"][orders["qty_lots"] > 0])
        self._orders += len(orders)
        prices = orders["price_ticks"][orders["price_ticks"] > 0]
        if len(prices):
            lowest, highest = int(prices.min()), int(prices.max())
            self._lowest = lowest if self._lowest is None else min(self._lowest, lowest)
            self._highest = highest if self._highest is None else max(self._highest, highest)

    def busiest(self, most: int) -> list[MarketStats]:
        """The markets with most records."""
        names = [] if isinstance(self._source, Flow) else self._source.markets
        return self._markets.busiest(most, names)

    def figures(self, unknown_orders: int | None = None) -> FileStats:
        """What has been counted so far."""
        source = self._source
        is_flow = isinstance(source, Flow)
        with unpacked(source.path) as stream:
            packed = stream.packed
        total = self._markets.total()
        return FileStats(
            path=str(source.path),
            format_name=source.format_name,
            packed=packed,
            bytes_on_disk=source.path.stat().st_size,
            is_flow=is_flow,
            price_decimals=getattr(source, "price_decimals", 0),
            qty_decimals=getattr(source, "qty_decimals", 0),
            records=int(self._kinds.sum()),
            starting_orders=self._starting,
            kinds=_named(self._kinds, CommandKind if is_flow else Action),
            order_types=_named(self._types, OrderType),
            times=self._times.figures(),
            sizes=self._size_figures(),
            cancels=self._cancels,
            executions=total.executions,
            volume_lots=total.volume_lots,
            hidden_executions=total.hidden,
            hidden_lots=self._markets.hidden_lots(),
            auction_orders=self._auction_orders,
            auction_executions=self._auction_executions,
            depth_rows=self._depth_rows,
            depth_levels=self._depth_levels,
            markets=len(self._markets),
            busiest=tuple(self.busiest(BUSIEST)),
            unknown_orders=unknown_orders,
            remarks=tuple(source.remarks()),
        )

    def _size_figures(self) -> SizeStats:
        sizes = self._sizes
        if not sizes.count:
            return SizeStats(self._orders)
        return SizeStats(
            self._orders, sizes.min, sizes.percentile(50), sizes.max, self._lowest, self._highest
        )


def _named(
    counts: npt.NDArray[np.int64], names: type[CommandKind | Action | OrderType]
) -> dict[str, int]:
    known = {int(code): code.name for code in names}
    found: dict[str, int] = {}
    for code in np.argsort(-counts, kind="stable")[: np.count_nonzero(counts)].tolist():
        name = known.get(code, "UNKNOWN")
        found[name] = found.get(name, 0) + int(counts[code])
    return found
