"""An exchange for a test, of real processes."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ...rabbit_here import need_rabbit
from ...redis_here import need_redis
from .harness import Exchange


@pytest.fixture
def exchange(tmp_path: Path) -> Iterator[Exchange]:
    """Servers and two workers of every partition."""
    need_redis()
    need_rabbit()
    one = Exchange(tmp_path, seed=7)
    try:
        one.start()
        yield one
    finally:
        one.stop()
