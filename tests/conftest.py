"""What holds for every test: how long Hypothesis searches, and one RabbitMQ for all that need it.

HYPOTHESIS_PROFILE chooses: "ci" (the default) is quick, "full" searches long.
"""

import os
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from . import rabbit_here

settings.register_profile(
    "ci",
    max_examples=200,
    stateful_step_count=40,
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile(
    "full",
    max_examples=2000,
    stateful_step_count=80,
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A private RabbitMQ, started when the first test asks for it."""
    with rabbit_here.running(tmp_path_factory.mktemp("broker") / "rabbit") as server:
        yield server


@pytest.fixture
def prefix() -> str:
    """What the names of a test's own queues begin with."""
    return f"t{next(rabbit_here.NUMBERS)}"
