"""One open order for people: names, decimal text, what it holds."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np

from ...domain.listings import Listings
from ...domain.partition import Partition
from ...enums import Side

__all__ = ["moment_text", "open_order_plain"]


def open_order_plain(listings: Listings, partition: Partition, row: np.void) -> dict[str, Any]:
    """An order as plain values; ``row`` is what it holds (ORDER_HOLD_DTYPE)."""
    listing = listings.listings[int(row["market"])]
    asset = listings.assets[int(row["asset"])]
    order = partition.book(int(row["market"])).order(int(row["order_id"]))
    market = listing.market
    return {
        "order_id": int(row["order_id"]),
        "account": int(row["account"]),
        "market": listing.name,
        "side": Side(int(row["side"])).name,
        "price": market.price_text(int(order["price_ticks"])),
        "quantity": market.qty_text(int(order["visible_lots"]) + int(order["hidden_lots"])),
        "dormant": bool(order["dormant"]),
        "tier": int(row["tier"]),
        "holds": f"{asset.text(int(row['held']))} {asset.name}",
    }


def moment_text(time_ns: int) -> str:
    """A time to the second, as ISO 8601 in UTC."""
    return datetime.fromtimestamp(time_ns // 1_000_000_000, UTC).isoformat()
