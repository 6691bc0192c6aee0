"""What the benchmarks share: one core, and a million resting orders made once."""

import pytest

from nextrade import OrderBook

from . import measure
from .replay import batches
from .workloads import NoCompiler, generated, native

MILLION = 1_000_000


@pytest.fixture(scope="session", autouse=True)
def one_core() -> None:
    """Stay on one core, and skip everything where no ladder can be built."""
    try:
        native.library()
    except NoCompiler as problem:
        pytest.skip(str(problem))
    measure.pin()


@pytest.fixture(scope="session")
def million() -> OrderBook:
    """A book with a million resting orders on 2,000 levels; look at it, do not change it."""
    book = OrderBook(capacity=MILLION)
    for part in batches(generated("burst_insert", MILLION).commands, 65_536):
        book.process(part)
    return book
