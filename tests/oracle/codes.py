"""The numbers of the matching rules, declared a second time so that a slip in one place shows."""

I64_MAX = 2**63 - 1


class Side:
    BUY = 0
    SELL = 1
    NONE = 2


class CommandKind:
    PLACE = 1
    CANCEL = 2
    REDUCE = 3
    REPLACE = 4
    MASS_CANCEL = 5
    EXPIRE = 6
    SET_STATE = 7
    UNCROSS = 8


class OrderType:
    LIMIT = 0
    MARKET = 1
    MARKET_TO_LIMIT = 2
    STOP_MARKET = 3
    STOP_LIMIT = 4
    TAKE_PROFIT_MARKET = 5
    TAKE_PROFIT_LIMIT = 6


class TimeInForce:
    GTC = 0
    IOC = 1
    FOK = 2
    GTD = 3


class PostOnly:
    NO = 0
    REJECT = 1
    SLIDE = 2


class SelfTrade:
    ALLOW = 0
    CANCEL_NEWEST = 1
    CANCEL_OLDEST = 2
    CANCEL_BOTH = 3
    DECREMENT = 4


class TradingState:
    OPEN = 0
    AUCTION = 1
    CANCEL_ONLY = 2
    HALTED = 3


class EventKind:
    ACCEPTED = 1
    REJECTED = 2
    TRADE = 3
    CANCELED = 4
    REDUCED = 5
    REPLACED = 6
    TRIGGERED = 7
    EXPIRED = 8
    REFRESHED = 9
    UNCROSSED = 10
    STATE_OPEN = 11
    STATE_AUCTION = 12
    STATE_CANCEL_ONLY = 13
    STATE_HALTED = 14


class EventFlag:
    KEPT_PRIORITY = 1
    AUCTION = 2
    BY_AMOUNT = 4


class Reason:
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


MARKET_TYPES = (OrderType.MARKET, OrderType.STOP_MARKET, OrderType.TAKE_PROFIT_MARKET)
STOP_TYPES = (OrderType.STOP_MARKET, OrderType.STOP_LIMIT)
TAKE_PROFIT_TYPES = (OrderType.TAKE_PROFIT_MARKET, OrderType.TAKE_PROFIT_LIMIT)
TRIGGER_TYPES = STOP_TYPES + TAKE_PROFIT_TYPES
LIMIT_PRICE_TYPES = (OrderType.LIMIT, OrderType.STOP_LIMIT, OrderType.TAKE_PROFIT_LIMIT)


def names(codes: type) -> dict[int, str]:
    """The name of each number of one of the classes above."""
    return {number: name for name, number in vars(codes).items() if name.isupper()}
