"""What every recording is decoded into: one record for each thing that a market said it did.

A recording tells of orders that came, shrank, left, were replaced or executed. Each
reader turns its format into MESSAGE_DTYPE arrays; everything behind the readers (rebuild,
match, guided, statistics) knows these records alone and no format.

Two readings of one message are told apart by its flags. **Rebuilding** repeats what
happened. **Matching** lets the engine decide, so a message that only states what an
execution did (RESTATES) is passed over, and so is each FILL: it is the answer to compare with.
"""

from __future__ import annotations

from enum import IntEnum, IntFlag
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ...tables import CODES

__all__ = ["MESSAGE_DTYPE", "Action", "Aggressors", "DepthRows", "Flag", "Messages", "Part"]

Messages = npt.NDArray[np.void]
"""A one-dimensional array of MESSAGE_DTYPE."""

UNKNOWN = -1
"""``leaves_lots`` where the recording does not say what is left."""

MESSAGE_DTYPE = np.dtype(
    [
        ("timestamp_ns", "<i8"),
        ("order_id", "<u8"),
        ("price_ticks", "<i8"),
        ("qty_lots", "<i8"),
        ("leaves_lots", "<i8"),
        ("place", "<i8"),
        ("market", "<u4"),
        ("action", "u1"),
        ("side", "u1"),
        ("flags", "<u2"),
    ]
)
"""One message, 56 bytes.

``place`` is where it stands in the file: the line counted from 1, or the byte at which the
record begins in the unpacked file. ``market`` is a position in the recording's list of
markets. ``side`` is the side of the order that ``order_id`` names (of a TRADE: of the
aggressor). ``leaves_lots`` is what is left of that order afterwards, -1 if the recording
does not say.
"""


class Action(IntEnum):
    """What a message says."""

    ADD = 1
    """A new order of ``qty_lots`` at ``price_ticks``."""
    REDUCE = 2
    """The order lost ``qty_lots`` and keeps its place."""
    CANCEL = 3
    """The order is out; ``qty_lots`` is what it still had, where the recording says so."""
    REPLACE = 4
    """The order now has this price and ``qty_lots`` left. It keeps its place only if the price
    stays and the quantity does not grow, as in the book's own rules."""
    FILL = 5
    """The order was executed for ``qty_lots`` at ``price_ticks``."""
    TRADE = 6
    """An aggressive order traded: its side, its id (0 if not told), price and quantity. The fills
    of the orders that it hit are messages of their own."""
    HIDDEN = 7
    """An execution of an order that was never shown: changes nothing that can be seen."""
    CLEAR = 8
    """All orders of the market are gone."""
    NOTE = 9
    """Anything else: a halt, a phase, a statistic. Changes no order."""


CODES["action"] = Action


class Flag(IntFlag):
    """How a message is to be read."""

    LAST = 1
    """The event that this message belongs to is complete: the book is as the market showed it."""
    SNAPSHOT = 2
    """Part of the starting book, in the order of the queues; not an event of its own."""
    REPORT = 4
    """FILL, TRADE: another message of the event says again what it did to the order."""
    RESTATES = 8
    """Says again what a FILL did to an order that was hit. REPLACE: what it shows afterwards."""
    AGGRESSOR = 16
    """FILL: of the incoming order, not of the one that waited."""
    UNPRICED = 32
    """ADD: a market-to-limit order. ``price_ticks`` is where it came to rest or trade."""
    AUCTION = 64
    """ADD: meant for a call auction alone, it takes no part in continuous trading. FILL and TRADE:
    made by a call auction, so there was no aggressor."""


class Aggressors(IntEnum):
    """How a recording shows the order that trades on arrival, if at all."""

    INFERRED = 0
    """Not at all: a run of FILLs with one time, market and side is one aggressive order. Between
    them only TRADE, HIDDEN, NOTE and messages that RESTATE may stand."""
    PRINTED = 1
    """TRADE messages name it; those that follow each other with one id are one order. The FILLs
    between a TRADE and the next are what it hit."""
    SUBMITTED = 2
    """As the ADD or REPLACE that it was; its FILLs follow at once."""
    UNLINKED = 3
    """As the ADD that it was, but which fills were its own is not told."""


class DepthRows(NamedTuple):
    """Some moments at which the recording itself shows the best levels of one market."""

    after: npt.NDArray[np.int64]
    """How many messages of the part had happened: row k shows the book after ``after[k]``. Not 0,
    but for what is shown before the first message of a file."""
    levels: npt.NDArray[np.void]
    """DEPTH_DTYPE, shape (rows, 2, levels): bids and asks, best first, zeros where none is."""
    orders_known: bool
    """Whether ``orders`` (the number of orders of a level) was recorded."""
    per_message: bool = False
    """Whether each row is the one before it changed by the last message before it alone."""


class Part(NamedTuple):
    """Some messages, in the order in which the exchange made them. Ends where an event ends."""

    messages: Messages
    position: int
    """How far the file on disk had been read, in bytes."""
    depth: DepthRows | None = None
    """Recorded levels within these messages, if there are any; always of ``market`` 0."""
