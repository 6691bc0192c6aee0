"""What a partition's batches did, on Redis: entries and snapshots. Needs ``nextrade[redis]``."""

from .redis import RedisBookStore

__all__ = ["RedisBookStore"]
