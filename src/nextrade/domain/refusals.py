"""Why a command did not come to its book: refusals for the sake of money.

They stand in the ``reason`` field of REJECTED events, beside the book's own codes
(``nextrade.enums.Reason``), which are all below 128.
"""

from __future__ import annotations

from enum import IntEnum

from ..enums import Reason

__all__ = ["Refusal", "name_of"]


class Refusal(IntEnum):
    """Which rule a command broke before it came to its book, in order of precedence.

    All but WRONG_SIDE (of an order that is open), INSUFFICIENT_FUNDS, BAD_TIER, STALE_LISTINGS and
    those of client order ids are decided by the command and the listings alone. These stand before
    every rule of the book.
    """

    UNKNOWN_MARKET = 128
    """The market is not listed, or belongs to another partition."""
    UNKNOWN_ACCOUNT = 129
    """An order must belong to an account; account 0 is the exchange itself."""
    BAD_ORDER_ID = 130
    """The id of a new order must be greater than 0 and less than 2**62."""
    BELOW_MIN_QTY = 131
    """``qty_lots`` must not be less than the market's minimum."""
    ABOVE_MAX_QTY = 132
    """``qty_lots`` must not be more than the market's maximum."""
    BELOW_MIN_NOTIONAL = 133
    """Price times quantity, or the amount, must not be less than the market's minimum."""
    ABOVE_MAX_NOTIONAL = 134
    """Price times quantity, or the amount, must not be more than the market's maximum."""
    NO_WORST_PRICE = 135
    """An order that no quantity or amount bounds needs a worst price.

    So does a market order of any kind that buys a quantity, a sale by amount, and the new
    price of a buy.
    """
    AMOUNT_OVERFLOW = 136
    """What would have to be held must fit in a signed 64-bit integer."""
    WRONG_SIDE = 137
    """A REPLACE must name the side of its order, for it reserves by it."""
    INSUFFICIENT_FUNDS = 138
    """The account has less available than the command may cost."""
    BAD_TIER = 139
    """The market has no fee tier of this number."""
    OPERATOR_ONLY = 140
    """EXPIRE, SET_STATE and UNCROSS come from the exchange itself, owner 0."""
    STALE_LISTINGS = 141
    """Prices and quantities were counted in units that the market had before; read the listings
    again. This one stands before all others."""
    DUPLICATE_CLIENT_ORDER_ID = 142
    """Another order of the account has this client order id: it is open, or came within the last
    24 hours. This one and the next stand before INSUFFICIENT_FUNDS."""
    TOO_MANY_CLIENT_ORDER_IDS = 143
    """The account's bucket keeps as many client order ids as it may."""


def name_of(reason: int) -> str:
    """The name of the code in an event's ``reason`` field, whichever of the two it is of."""
    return Refusal(reason).name if reason >= Refusal.UNKNOWN_MARKET else Reason(reason).name
