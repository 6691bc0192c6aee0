"""Record layouts of the book's NumPy arrays, little-endian and packed without gaps.

Prices are ticks, quantities lots, amounts of quote currency ticks times lots, times
nanoseconds; all int64. The compiled core reads and writes these bytes directly, so the
layouts are part of the stable interface (docs/reference/stability.md). What each field
means is said in docs/reference/records.md; codes are the numbers of ``nextrade.enums``.
"""

import numpy as np

__all__ = ["COMMAND_DTYPE", "DEPTH_DTYPE", "EVENT_DTYPE", "LEVEL_DTYPE", "ORDER_DTYPE"]

COMMAND_DTYPE = np.dtype(
    [
        ("timestamp_ns", "<i8"),
        ("order_id", "<u8"),
        ("price_ticks", "<i8"),
        ("qty_lots", "<i8"),
        ("trigger_ticks", "<i8"),
        ("display_lots", "<i8"),
        ("quote_amount", "<i8"),
        ("expire_ns", "<i8"),
        ("owner", "<u4"),
        ("market", "<u4"),
        ("kind", "u1"),
        ("order_type", "u1"),
        ("side", "u1"),
        ("time_in_force", "u1"),
        ("post_only", "u1"),
        ("self_trade", "u1"),
        ("state", "u1"),
        ("reserved", "u1"),
    ]
)
"""One request to a book, 80 bytes. Fields that a kind of command does not use are zero."""

EVENT_DTYPE = np.dtype(
    [
        ("timestamp_ns", "<i8"),
        ("order_id", "<u8"),
        ("price_ticks", "<i8"),
        ("qty_lots", "<i8"),
        ("leaves_lots", "<i8"),
        ("maker_id", "<u8"),
        ("maker_leaves_lots", "<i8"),
        ("trade_index", "<i8"),
        ("owner", "<u4"),
        ("maker_owner", "<u4"),
        ("command", "<u4"),
        ("kind", "u1"),
        ("reason", "u1"),
        ("side", "u1"),
        ("flags", "u1"),
    ]
)
"""One fact, 80 bytes. ``command`` is the position of its cause in the batch."""

LEVEL_DTYPE = np.dtype(
    [
        ("price_ticks", "<i8"),
        ("qty_lots", "<i8"),
        ("orders", "<u4"),
        ("command", "<u4"),
        ("side", "u1"),
        ("reserved", "V7"),
    ]
)
"""New visible state of one price level after a command, 32 bytes; zero quantity: it is gone.

``side`` is BUY for bids and SELL for asks; ``command`` the position of the cause in the batch.
"""

DEPTH_DTYPE = np.dtype([("price_ticks", "<i8"), ("qty_lots", "<i8"), ("orders", "<i8")])
"""One price level, 24 bytes: price, visible quantity, number of orders."""

ORDER_DTYPE = np.dtype(
    [
        ("order_id", "<u8"),
        ("timestamp_ns", "<i8"),
        ("price_ticks", "<i8"),
        ("visible_lots", "<i8"),
        ("hidden_lots", "<i8"),
        ("display_lots", "<i8"),
        ("trigger_ticks", "<i8"),
        ("expire_ns", "<i8"),
        ("owner", "<u4"),
        ("order_type", "u1"),
        ("side", "u1"),
        ("time_in_force", "u1"),
        ("post_only", "u1"),
        ("self_trade", "u1"),
        ("dormant", "u1"),
        ("reserved", "V6"),
    ]
)
"""One open order, 80 bytes: resting (``dormant`` 0) or waiting for its trigger (1)."""
