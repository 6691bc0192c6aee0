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
    """Takes base and pays quote; its resting orders are the bids."""
    SELL = 1
    """Gives base and gets quote; its resting orders are the asks."""
    NONE = 2
    """Only in events: no side applies (auction trades, refused garbage, market states)."""


class CommandKind(IntEnum):
    """What a command asks for. Zero is no command, so zeroed memory is refused."""

    PLACE = 1
    """A new order, of one of OrderType."""
    CANCEL = 2
    """Take an open order out."""
    REDUCE = 3
    """Take ``qty_lots`` off an open order, which keeps its place."""
    REPLACE = 4
    """Change price, quantity left or trigger; it keeps its place only if merely reduced."""
    MASS_CANCEL = 5
    """Take every open order of ``owner`` out."""
    EXPIRE = 6
    """End the GTD orders whose ``expire_ns`` is not after ``timestamp_ns``."""
    SET_STATE = 7
    """Go over to another TradingState."""
    UNCROSS = 8
    """End a call auction at one price and go over to ``state``."""


class OrderType(IntEnum):
    """How a placed order chooses its price and its moment."""

    LIMIT = 0
    """Trades at ``price_ticks`` or better; what is left may rest."""
    MARKET = 1
    """Trades at any price up to a worst price, for a quantity or an amount; never rests."""
    MARKET_TO_LIMIT = 2
    """A limit order at the best opposite price of the moment."""
    STOP_MARKET = 3
    """Dormant until a trade at ``trigger_ticks`` or worse for its owner, then MARKET."""
    STOP_LIMIT = 4
    """As STOP_MARKET, then LIMIT."""
    TAKE_PROFIT_MARKET = 5
    """Dormant until a trade at ``trigger_ticks`` or better for its owner, then MARKET."""
    TAKE_PROFIT_LIMIT = 6
    """As TAKE_PROFIT_MARKET, then LIMIT."""


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
    """Trade with it."""
    CANCEL_NEWEST = 1
    """Cancel what is left of the incoming order."""
    CANCEL_OLDEST = 2
    """Cancel the resting order and go on."""
    CANCEL_BOTH = 3
    """Cancel the resting order and what is left of the incoming one."""
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
    """An order was taken in; what it does follows. Also opens a mass cancel or an expiry."""
    REJECTED = 2
    """A command was refused for ``reason`` and changed nothing."""
    TRADE = 3
    """Two orders traded at the maker's price (in an uncross at the auction price)."""
    CANCELED = 4
    """An order, or what was left of it, is out for ``reason``."""
    REDUCED = 5
    """An order lost lots without a trade and keeps its place."""
    REPLACED = 6
    """An order has a new price, quantity or trigger."""
    TRIGGERED = 7
    """A dormant order wakes and goes into the book."""
    EXPIRED = 8
    """A GTD order has ended."""
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
