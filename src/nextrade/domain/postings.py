"""Record layouts of what passes between the exchange and its ledger.

All little-endian and without gaps, so that their bytes can be sent as they are. Amounts are
whole base units of the asset, int64; an asset is its position in the listings.
"""

import numpy as np

__all__ = [
    "BALANCE_DTYPE",
    "KEPT_ID_DTYPE",
    "NAMED_REQUEST_DTYPE",
    "POSTING_DTYPE",
    "REQUEST_DTYPE",
]

POSTING_DTYPE = np.dtype(
    [("account", "<u4"), ("asset", "<u4"), ("available", "<i8"), ("held", "<i8")]
)
"""One signed change of what an account has of an asset, 24 bytes.

A batch's postings are netted: one for each account and asset, ascending by the two; and those
of one asset add up to zero, available and held together.
"""

REQUEST_DTYPE = np.dtype([("account", "<u4"), ("asset", "<u4"), ("amount", "<i8")])
"""One amount that an order needs held before it may run, 16 bytes."""

NAMED_REQUEST_DTYPE = np.dtype(
    [
        ("account", "<u4"),
        ("asset", "<u4"),
        ("amount", "<i8"),
        ("order", "<u8"),
        ("market", "<u4"),
        ("text", "S36"),
    ]
)
"""The same with the client order id of the order it is for, 64 bytes; it begins like the other.

``text`` is the id: 1 to 36 printable ASCII characters, no space among them. Empty: this request
has none. ``order`` is the order's own id, ``market`` where it goes.
"""

KEPT_ID_DTYPE = np.dtype(
    [
        ("account", "<u4"),
        ("text", "S36"),
        ("order", "<u8"),
        ("frame", "<u8"),
        ("partition", "<u4"),
        ("market", "<u4"),
    ]
)
"""A client order id that a bucket keeps, 64 bytes: whose, for which order, and who asked for it."""

BALANCE_DTYPE = np.dtype(
    [("account", "<u4"), ("asset", "<u4"), ("available", "<i8"), ("held", "<i8")]
)
"""What an account has of one asset, 24 bytes; neither amount is ever negative."""
