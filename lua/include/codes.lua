-- What functions answer first, and numbers that calls carry.
--
-- Python's side of this list is service/ledger/redis/codes.py; a test compares the two.

local codes = {
    -- The version of the records in calls and in buckets.
    VERSION = 3,
    -- The same for the store of a partition.
    STORE_VERSION = 1,

    -- Answers.
    DONE = 0,
    REPEATED = 1,
    BAD_VERSION = 10,
    BAD_LENGTH = 11,
    BAD_CODE = 12,
    BAD_VALUE = 13,
    UNFOUNDED = 20,
    WRONG_MAP = 21,
    STALE_EPOCH = 22,
    GAP = 23,
    LATE = 24,
    EARLY = 25,
    MISSING_ANSWER = 26,
    TOO_LITTLE = 30,
    OVERFLOW = 31,
    NOT_ASCENDING = 32,
    REUSED = 33,
    UNKNOWN_REFERENCE = 34,
    FINISHED = 35,
    FULL = 36,
    UNPUBLISHED = 37,
    LOST = 40,

    -- Which function a call is meant for, so that no record is read as another's.
    CALL_FOUND = 1,
    CALL_FENCE = 2,
    CALL_RESERVE = 3,
    CALL_SETTLE = 4,
    CALL_CLAIM = 5,
    CALL_CREDIT = 6,
    CALL_HOLD = 7,
    CALL_CAPTURE = 8,
    CALL_REFUND = 9,
    CALL_TRIM = 10,
    CALL_FORGET = 11,
    CALL_STORE_FOUND = 20,
    CALL_STORE_ACQUIRE = 21,
    CALL_STORE_LOOK = 22,
    CALL_STORE_PAGE = 23,
    CALL_STORE_COMMIT = 24,
    CALL_STORE_CLEAR = 25,
    CALL_STORE_PART = 26,
    CALL_STORE_DROP = 27,
    CALL_STORE_KEEP = 28,
    CALL_STORE_TRIM = 29,

    -- What a reference stands for.
    FOR_CREDIT = 1,
    FOR_WITHDRAWAL = 2,
    FOR_TRANSFER = 3,

    -- How far a hold has come.
    HELD = 1,
    CAPTURED = 2,
    REFUNDED = 3,
}
