"""What the functions in ``lua/`` answer, and numbers that calls carry; see include/codes.lua."""

from enum import IntEnum

from ....errors import (
    AmountOverflow,
    BadPostings,
    Gap,
    HoldFinished,
    InsufficientFunds,
    LedgerError,
    LedgerUnavailable,
    MissingAnswer,
    ReferenceReused,
    StaleEpoch,
    UnknownBucket,
    UnknownReference,
    WrongLibrary,
    WrongMap,
)

__all__ = ["ERRORS", "STORE_VERSION", "VERSION", "Answer", "Call", "HoldState", "Purpose"]

VERSION = 3
"""Version of the records in calls and in buckets."""

STORE_VERSION = 1
"""Version of the records in calls to the store of a partition, and in stores."""


class Answer(IntEnum):
    """First number of what a function returns."""

    DONE = 0
    REPEATED = 1
    BAD_VERSION = 10
    BAD_LENGTH = 11
    BAD_CODE = 12
    BAD_VALUE = 13
    UNFOUNDED = 20
    WRONG_MAP = 21
    STALE_EPOCH = 22
    GAP = 23
    LATE = 24
    EARLY = 25
    MISSING_ANSWER = 26
    TOO_LITTLE = 30
    OVERFLOW = 31
    NOT_ASCENDING = 32
    REUSED = 33
    UNKNOWN_REFERENCE = 34
    FINISHED = 35
    FULL = 36
    UNPUBLISHED = 37
    LOST = 40


class Call(IntEnum):
    """Which function a call is meant for."""

    FOUND = 1
    FENCE = 2
    RESERVE = 3
    SETTLE = 4
    CLAIM = 5
    CREDIT = 6
    HOLD = 7
    CAPTURE = 8
    REFUND = 9
    TRIM = 10
    FORGET = 11
    STORE_FOUND = 20
    STORE_ACQUIRE = 21
    STORE_LOOK = 22
    STORE_PAGE = 23
    STORE_COMMIT = 24
    STORE_CLEAR = 25
    STORE_PART = 26
    STORE_DROP = 27
    STORE_KEEP = 28
    STORE_TRIM = 29


class Purpose(IntEnum):
    """What a reference stands for."""

    CREDIT = 1
    WITHDRAWAL = 2
    TRANSFER = 3


class HoldState(IntEnum):
    """How far a hold has come."""

    HELD = 1
    CAPTURED = 2
    REFUNDED = 3


ERRORS: dict[Answer, tuple[type[LedgerError], str]] = {
    Answer.BAD_VERSION: (WrongLibrary, "has records of another version than this client's"),
    Answer.BAD_LENGTH: (WrongLibrary, "found a record of the wrong length in this call"),
    Answer.BAD_CODE: (WrongLibrary, "found an unknown code in this call"),
    Answer.BAD_VALUE: (WrongLibrary, "found a number out of range in this call"),
    Answer.UNFOUNDED: (UnknownBucket, "was never founded, or its data is gone"),
    Answer.WRONG_MAP: (WrongMap, "belongs to another map than this client's"),
    Answer.STALE_EPOCH: (StaleEpoch, "has seen a higher epoch for this partition:"),
    Answer.GAP: (Gap, "lacks a batch between this one and the last it settled:"),
    Answer.LATE: (Gap, "has settled a batch that this reservation knows nothing of:"),
    Answer.EARLY: (Gap, "lacks a batch that this reservation comes after:"),
    Answer.MISSING_ANSWER: (
        MissingAnswer,
        "has lost what it had reserved for frames of this batch, so many of them:",
    ),
    Answer.TOO_LITTLE: (InsufficientFunds, "has too little for this call"),
    Answer.OVERFLOW: (AmountOverflow, "has no room for so much"),
    Answer.NOT_ASCENDING: (BadPostings, "found a posting out of order:"),
    Answer.REUSED: (ReferenceReused, "knows this reference or frame with other details"),
    Answer.UNKNOWN_REFERENCE: (UnknownReference, "knows no hold of this reference"),
    Answer.FINISHED: (HoldFinished, "says that this hold ended the other way"),
    Answer.FULL: (LedgerUnavailable, "has too many unfinished transfers: call finish_transfers"),
    Answer.UNPUBLISHED: (LedgerUnavailable, "has too many changes that nobody has published:"),
}
"""The exception of each refusal, and what the bucket that refuses says of itself."""
