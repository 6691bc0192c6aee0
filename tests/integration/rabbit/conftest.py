"""A partition's queues of their own for each test."""

from collections.abc import Iterator
from typing import Any

import pytest

from ...rabbit_here import Look, need_rabbit, target_of


@pytest.fixture(autouse=True)
def _rabbit() -> None:
    need_rabbit()


@pytest.fixture
def look(broker: Any) -> Iterator[Look]:
    """A connection of the test's own."""
    with Look(target_of(broker)) as found:
        yield found


@pytest.fixture
def topology(broker: Any, prefix: str) -> Any:
    """The queues of partition 0, declared."""
    from nextrade.service.topology import Topology

    found = Topology(prefix)
    found.declare(target_of(broker), [0])
    return found
