"""What a ledger does, whichever home it has: this process or Redis servers.

An account has, of each asset, an amount that is available and an amount that is held for its
open orders, withdrawals and transfers. A ledger changes them in three ways:

- before orders run, ``reserve`` moves what they need from available to held,
- after a batch has matched, ``settle`` applies its postings,
- ``credit``, ``hold``, ``capture``, ``refund`` and ``transfer`` move money in, out and across.

Each call takes effect as a whole or raises a LedgerError and changes no balance. Each may be
repeated, for a caller who got no answer cannot know whether it took effect: reserve is told
apart by its frame, settle by its batch, the others by their reference. References share one
name space, and a reference belongs to the details of its first call, even when that call was
refused. What is malformed (a negative amount, an array of another layout) raises ValueError
or TypeError. Account 0 is the exchange itself; an asset is a number below 65,536.
"""

from collections.abc import Sequence
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt

from ..._balances import ASSETS
from ...domain.postings import BALANCE_DTYPE, POSTING_DTYPE, REQUEST_DTYPE
from ...errors import BadPostings

__all__ = [
    "LARGEST",
    "MOST_FROM_OUTSIDE",
    "NUMBERS",
    "TOTAL_DTYPE",
    "Ledger",
    "as_postings",
    "as_requests",
    "check_batch",
    "check_call",
    "check_entry",
    "check_postings",
    "check_reference",
    "wanted_balances",
]

LARGEST: Final = 2**63 - 1
"""The largest amount and balance."""

MOST_FROM_OUTSIDE: Final = 2**62
"""A ledger takes in no more of one asset than this, so that no sum of balances overflows."""

NUMBERS: Final = 2**53
"""Batch numbers and epochs lie below this, where a double is exact: Lua has no integers."""

REFERENCE_BYTES: Final = 200

TOTAL_DTYPE = np.dtype(
    [
        ("asset", "<u4"),
        ("available", "<i8"),
        ("held", "<i8"),
        ("outside", "<i8"),
        ("in_flight", "<i8"),
    ]
)
"""Sums of one asset over all accounts; ``outside`` is what came in minus what was paid out.

Always ``available + held == outside + in_flight``, where ``in_flight`` is what transfers that
have reached one account and not yet left the other count twice.
"""


class Ledger(Protocol):
    """A record of all balances. One thread at a time may use an object of this kind."""

    def credit(self, reference: str, account: int, asset: int, amount: int) -> bool:
        """Add what came in from outside; False if this reference was credited before.

        Raises ReferenceReused, and AmountOverflow if there is no room for so much.
        """
        ...

    def open_partition(self, partition: int, epoch: int) -> int:
        """Take a partition over: refuse lower epochs from now on, everywhere.

        Returns the last batch that is settled whole, 0 if none. Raises StaleEpoch if another
        worker has a higher epoch.
        """
        ...

    def reserve(
        self, partition: int, epoch: int, frame_id: int, requests: npt.NDArray[np.void]
    ) -> npt.NDArray[np.bool_]:
        """Hold what each request (REQUEST_DTYPE) asks for, in order; tell which could be had.

        A request of amount zero is granted. The answer is kept until ``settle`` names the
        frame: asking again moves nothing and answers the same. Raises StaleEpoch, and
        ReferenceReused if the frame asked for something else before.
        """
        ...

    def settle(
        self,
        partition: int,
        epoch: int,
        batch: int,
        postings: npt.NDArray[np.void],
        frames: Sequence[int] = (),
    ) -> None:
        """Apply a batch's postings (POSTING_DTYPE) exactly once, and forget the frames' answers.

        Batches are numbered 1, 2, 3...; one that was settled before is left alone. Raises
        StaleEpoch; Gap if the batch before was not settled; BadPostings; and InsufficientFunds
        or AmountOverflow for postings that no reservation covers.
        """
        ...

    def hold(self, reference: str, account: int, asset: int, amount: int) -> bool:
        """Set aside what is to leave; False if this was done before, whatever came after.

        Raises InsufficientFunds (the call may be repeated later) and ReferenceReused.
        """
        ...

    def capture(self, reference: str) -> bool:
        """Let what was held leave for good; False if that was done before.

        Raises UnknownReference, and HoldFinished if it was refunded.
        """
        ...

    def refund(self, reference: str) -> bool:
        """Give back what was held; False if that was done before.

        Raises UnknownReference, and HoldFinished if it was captured.
        """
        ...

    def transfer(
        self, reference: str, from_account: int, to_account: int, asset: int, amount: int
    ) -> bool:
        """Move an amount between accounts; False if this was done before.

        Raises InsufficientFunds (the call may be repeated later) and ReferenceReused.
        """
        ...

    def balances(
        self, wanted: int | Sequence[tuple[int, int]] | npt.NDArray[np.void]
    ) -> npt.NDArray[np.void]:
        """Balances (BALANCE_DTYPE) of the accounts and assets wanted, in their order.

        ``wanted`` is pairs of account and asset, or an array with these two fields. For one
        account alone: what it has of each asset, ascending, without what it has nothing of.
        """
        ...

    def totals(self) -> npt.NDArray[np.void]:
        """Sums of each asset that ever came in (TOTAL_DTYPE), ascending by asset."""
        ...


def check_entry(account: int, asset: int, amount: int) -> None:
    """Raise ValueError for numbers that no balance can have."""
    if not 0 <= account < 2**32:
        raise ValueError(f"an account is a number from 0 to 4,294,967,295, not {account}")
    if not 0 <= asset < ASSETS:
        raise ValueError(f"an asset is a number from 0 to {ASSETS - 1:,}, not {asset}")
    if not 0 < amount <= LARGEST:
        raise ValueError(f"an amount is a number from 1 to {LARGEST:,}, not {amount}")


def check_reference(reference: str) -> bytes:
    """Bytes of a reference; raises ValueError if it is empty or too long."""
    encoded = reference.encode()
    if not 0 < len(encoded) <= REFERENCE_BYTES:
        raise ValueError(
            f"a reference is a text of 1 to {REFERENCE_BYTES} bytes; this one has {len(encoded)}"
        )
    return encoded


def check_call(name: str, *arguments: Any) -> None:
    """Raise ValueError or TypeError for arguments with which no ledger answers this call.

    Whoever writes calls down before making them asks here first: what is malformed has no
    place in a journal.
    """
    reference, *rest = arguments
    if not isinstance(reference, str):
        raise TypeError(f"a reference is a text, not {reference!r}")
    check_reference(reference)
    if name in ("capture", "refund"):
        return
    *accounts, asset, amount = rest
    for account in accounts:
        check_entry(account, asset, amount)
    if name == "transfer" and accounts[0] == accounts[1]:
        raise ValueError(f"a transfer needs two accounts, not twice {accounts[0]}")


def check_batch(partition: int, epoch: int, batch: int = 1) -> None:
    """Raise ValueError for numbers that no partition, epoch or batch can have."""
    if not 0 <= partition < ASSETS:
        raise ValueError(f"a partition is a number from 0 to {ASSETS - 1:,}, not {partition}")
    if not 0 < epoch < NUMBERS:
        raise ValueError(f"an epoch is a number from 1 to {NUMBERS - 1:,}, not {epoch}")
    if not 0 < batch < NUMBERS:
        raise ValueError(f"a batch is a number from 1 to {NUMBERS - 1:,}, not {batch}")


def _checked(records: npt.NDArray[np.void], dtype: np.dtype[np.void]) -> npt.NDArray[np.void]:
    if not isinstance(records, np.ndarray) or records.dtype != dtype or records.ndim != 1:
        raise TypeError(f"a one-dimensional array of {dtype.names} records is needed")
    return np.ascontiguousarray(records)


def as_postings(postings: npt.NDArray[np.void]) -> npt.NDArray[np.void]:
    """Return the postings without gaps; raises TypeError if they are of another layout."""
    return _checked(postings, POSTING_DTYPE)


def as_requests(requests: npt.NDArray[np.void]) -> npt.NDArray[np.void]:
    """Return the requests without gaps; raises TypeError if they are of another layout."""
    return _checked(requests, REQUEST_DTYPE)


def wanted_balances(
    wanted: Sequence[tuple[int, int]] | npt.NDArray[np.void],
) -> npt.NDArray[np.void]:
    """Return a record for each account and asset wanted, with nothing in it yet."""
    records = np.zeros(len(wanted), BALANCE_DTYPE)
    if isinstance(wanted, np.ndarray):
        records["account"], records["asset"] = wanted["account"], wanted["asset"]
    elif len(wanted):
        records["account"] = [account for account, _ in wanted]
        records["asset"] = [asset for _, asset in wanted]
    return records


def check_postings(postings: npt.NDArray[np.void]) -> None:
    """Raise BadPostings unless they ascend by account and asset, and each asset adds up to zero."""
    if len(postings) == 0:
        return
    assets = postings["asset"]
    if assets.max() >= ASSETS:
        raise ValueError(f"an asset lies below {ASSETS:,}")
    keys = (postings["account"].astype(np.uint64) << np.uint64(32)) | assets
    if not (keys[1:] > keys[:-1]).all():
        raise BadPostings("postings do not ascend by account and asset")
    # The sums may wrap around, for those that must be zero are zero in wrapping arithmetic too.
    order = np.argsort(assets, kind="stable")
    changes = postings["available"][order] + postings["held"][order]
    starts = np.flatnonzero(np.diff(assets[order], prepend=np.int64(-1)))
    if np.add.reduceat(changes, starts).any():
        raise BadPostings("the postings of an asset do not add up to zero")
