"""The vocabulary of commands and events: every code that appears in a NumPy record.

The numbers are part of the stable interface: they appear in journals, snapshots and on
the wire, so a published number never changes its meaning. The compiled core declares the
same numbers in ``_types.pxd``; a test compares the two.
"""

from enum import IntEnum, IntFlag

__all__ = [
    "CommandKind",
    "EventFlag",
    "EventKind",
    "OrderType",
    "PostOnly",
    "Reason",
    "SelfTrade",
    "Side",
    "TimeInForce",
    "TradingState",
]


class Side(IntEnum):
    """Which way an order trades."""

    BUY = 0
    SELL = 1
    NONE = 2
    """Only in events: no side applies (auction trades, refused garbage, market states)."""


class CommandKind(IntEnum):
    """What a command asks for. Zero is no command, so zeroed memory is refused."""

    PLACE = 1
    CANCEL = 2
    REDUCE = 3
    REPLACE = 4
    MASS_CANCEL = 5
    EXPIRE = 6
    SET_STATE = 7
    UNCROSS = 8


class OrderType(IntEnum):
    """How a placed order chooses its price and its moment."""

    LIMIT = 0
    MARKET = 1
    MARKET_TO_LIMIT = 2
    STOP_MARKET = 3
    STOP_LIMIT = 4
    TAKE_PROFIT_MARKET = 5
    TAKE_PROFIT_LIMIT = 6


class TimeInForce(IntEnum):
    """How long what does not trade at once may stay."""

    GTC = 0
    """Good till canceled. A market order never rests, so for it this means IOC."""
    IOC = 1
    """Immediate or cancel."""
    FOK = 2
    """Fill or kill: the whole quantity at once or nothing."""
    GTD = 3
    """Good till ``expire_ns``, ended by the EXPIRE command."""


class PostOnly(IntEnum):
    """What a limit order that must not take does when it would."""

    NO = 0
    """The order may take."""
    REJECT = 1
    """Refuse it."""
    SLIDE = 2
    """Move its price to one tick away from the best opposite price."""


class SelfTrade(IntEnum):
    """What an incoming order does when it meets a resting order of its own owner."""

    ALLOW = 0
    CANCEL_NEWEST = 1
    """Cancel what is left of the incoming order."""
    CANCEL_OLDEST = 2
    """Cancel the resting order and go on."""
    CANCEL_BOTH = 3
    DECREMENT = 4
    """Take the smaller quantity off both, without a trade."""


class TradingState(IntEnum):
    """What a market allows at the moment."""

    OPEN = 0
    """Continuous trading."""
    AUCTION = 1
    """Orders are collected and do not match until the uncross."""
    CANCEL_ONLY = 2
    """Orders may leave or shrink; nothing new comes in."""
    HALTED = 3
    """Nothing but a change of state, and expiry."""


class EventKind(IntEnum):
    """What happened."""

    ACCEPTED = 1
    REJECTED = 2
    TRADE = 3
    CANCELED = 4
    REDUCED = 5
    REPLACED = 6
    TRIGGERED = 7
    EXPIRED = 8
    REFRESHED = 9
    """An iceberg showed its next slice, at the back of its level."""
    UNCROSSED = 10
    """A call auction ended at one price; its trades follow."""
    STATE_OPEN = 11
    STATE_AUCTION = 12
    STATE_CANCEL_ONLY = 13
    STATE_HALTED = 14


class EventFlag(IntFlag):
    """Bits of an event's ``flags`` field."""

    KEPT_PRIORITY = 1
    """REPLACED: the order kept its place in the queue."""
    AUCTION = 2
    """TRADE: made by an uncross; ``order_id`` is the buyer, ``maker_id`` the seller."""
    BY_AMOUNT = 4
    """The order spends a quote amount: ``leaves_lots`` counts what is left of that amount."""


class Reason(IntEnum):
    """Why an order was canceled (below 32) or a command refused (32 and above).

    Refusals stand in order of precedence: a command that breaks several rules is refused
    for the one with the lowest number.
    """

    NONE = 0
    REQUESTED = 1
    MASS_CANCELED = 2
    IMMEDIATE_OR_CANCEL = 3
    FILL_OR_KILL = 4
    NO_LIQUIDITY = 5
    WORST_PRICE = 6
    AMOUNT_TOO_SMALL = 7
    SELF_TRADE = 8
    AUCTION_ENDED = 9

    UNKNOWN_COMMAND = 32
    UNKNOWN_ORDER_TYPE = 33
    UNKNOWN_SIDE = 34
    UNKNOWN_TIME_IN_FORCE = 35
    UNKNOWN_POST_ONLY = 36
    UNKNOWN_SELF_TRADE = 37
    UNKNOWN_STATE = 38
    BAD_QUANTITY = 39
    BAD_PRICE = 40
    BAD_TRIGGER = 41
    BAD_DISPLAY = 42
    BAD_AMOUNT = 43
    BAD_EXPIRY = 44
    BAD_COMBINATION = 45
    NOTIONAL_OVERFLOW = 46
    HALTED = 47
    CANCEL_ONLY = 48
    NOT_IN_AUCTION = 49
    ONLY_IN_AUCTION = 50
    DUPLICATE_ORDER_ID = 51
    UNKNOWN_ORDER = 52
    NOT_OWNER = 53
    BOOK_OVERFLOW = 54
    OUT_OF_MEMORY = 55
    POST_ONLY_WOULD_TRADE = 56
    BOOK_CROSSED = 57
