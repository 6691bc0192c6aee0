"""The numbers of the refusals of money, declared a second time, and what a ledger may object to."""


class Refusal:
    UNKNOWN_MARKET = 128
    UNKNOWN_ACCOUNT = 129
    BAD_ORDER_ID = 130
    BELOW_MIN_QTY = 131
    ABOVE_MAX_QTY = 132
    BELOW_MIN_NOTIONAL = 133
    ABOVE_MAX_NOTIONAL = 134
    NO_WORST_PRICE = 135
    AMOUNT_OVERFLOW = 136
    WRONG_SIDE = 137
    INSUFFICIENT_FUNDS = 138
    BAD_TIER = 139
    OPERATOR_ONLY = 140
    STALE_LISTINGS = 141
    DUPLICATE_CLIENT_ORDER_ID = 142
    TOO_MANY_CLIENT_ORDER_IDS = 143


OF_FRAMES = {
    Refusal.STALE_LISTINGS,
    Refusal.DUPLICATE_CLIENT_ORDER_ID,
    Refusal.TOO_MANY_CLIENT_ORDER_IDS,
}
"""What is refused for what a frame says beside its commands: that is not the exchange's."""

NO_REFUSAL = 0
MAX_ORDER_ID = 2**62 - 1
EXCHANGE = 0
"""The account of the exchange itself, where fees go."""
