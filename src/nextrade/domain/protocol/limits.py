"""How much one worker takes on at once, and how long it keeps things."""

from __future__ import annotations

from dataclasses import dataclass

from ...dtypes import COMMAND_DTYPE
from ..partition import EVENT_LIMIT, POSTING_LIMIT
from .remembered import MOST_FRAMES

__all__ = ["Limits"]


@dataclass(frozen=True)
class Limits:
    """How much a worker takes on at once, and how long it keeps things."""

    frames: int = 1024
    """Frames of one batch."""
    frame_bytes: int = 4096 * COMMAND_DTYPE.itemsize
    """Bytes of the frames of one batch; a single frame may be larger."""
    remembered: int = MOST_FRAMES
    """Frame ids that are kept to tell repetitions."""
    posting_limit: int = POSTING_LIMIT
    """Postings of one batch, and what one event may add; the same for all workers of a partition,
    for what an entry does depends on it."""
    event_limit: int = EVENT_LIMIT
    """Events of one batch, likewise."""
    abandoned_ms: int = 600_000
    """How long a frame may keep what it reserved without coming again."""
    named_ms: int = 86_400_000
    """How long an account may not use a client order id again, if its order is open no more."""
    sweep_step_ms: int = 100
    """How much time passes between two looks for client order ids that are older."""
    sweep_rest_ms: int = 60_000
    """How much passes after all buckets were looked through."""
    entries: int = 20_000
    """Batches after which a snapshot is kept."""
    entry_bytes: int = 32 << 20
    """Bytes of entries after which a snapshot is kept; or twice the last snapshot, if more."""
