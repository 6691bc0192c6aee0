"""What the tests of the ledger say again and again: records, balances, sums."""

import numpy as np

from nextrade.domain.postings import NAMED_REQUEST_DTYPE, POSTING_DTYPE, REQUEST_DTYPE
from nextrade.service.ledger import Ledger

BTC, USDT = 0, 2
ANNA, BERT, CARL = 1, 2, 7
BIG = 2**53 + 1  # the first whole number that a double does not have


def requests(*rows: tuple[int, int, int]) -> np.ndarray:
    """Requests of account, asset and amount."""
    return np.array(list(rows), REQUEST_DTYPE)


def named(*rows: tuple[int, int, int, int, int, bytes]) -> np.ndarray:
    """Requests with client order ids: account, asset, amount, order, market, id."""
    return np.array(list(rows), NAMED_REQUEST_DTYPE)


def postings(*rows: tuple[int, int, int, int]) -> np.ndarray:
    """Postings of account, asset, change of available and of held."""
    return np.array(list(rows), POSTING_DTYPE)


def has(ledger: Ledger, account: int, asset: int) -> tuple[int, int]:
    """What an account has of an asset: available and held."""
    (record,) = ledger.balances([(account, asset)])
    return int(record["available"]), int(record["held"])


def sums(ledger: Ledger) -> dict[int, tuple[int, ...]]:
    """The totals by asset: available, held, outside, in flight."""
    return {int(row["asset"]): tuple(row.item()[1:]) for row in ledger.totals()}
