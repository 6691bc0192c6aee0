"""Which bucket of the ledger an account falls into: arithmetic that never changes."""

import numpy as np
import numpy.typing as npt

__all__ = ["bucket_of_account", "buckets_of_accounts"]

_MIX = 0x9E3779B1
_LOW = 0xFFFFFFFF


def buckets_of_accounts(accounts: npt.NDArray[np.uint32], buckets: int) -> npt.NDArray[np.int64]:
    """The bucket of each account, of so many: the account mixed and scaled."""
    mixed = (accounts.astype(np.uint64) * np.uint64(_MIX)) & np.uint64(_LOW)
    return ((mixed * np.uint64(buckets)) >> np.uint64(32)).astype(np.int64)


def bucket_of_account(account: int, buckets: int) -> int:
    """The bucket of one account, of so many."""
    return ((account * _MIX & _LOW) * buckets) >> 32
