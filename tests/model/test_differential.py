"""Seeded streams through the oracle and the compiled book."""

import pytest

from tests.model import differential
from tests.model.comparing import smallest
from tests.model.streams import stream


@pytest.mark.parametrize("seed", range(0, 400, 20))
def test_both_books_say_the_same(seed: int) -> None:
    """Twenty streams of each starting seed give the same events, level updates and states."""
    assert differential.main(["--seed", str(seed), "--streams", "20", "--commands", "150"]) == 0


@pytest.mark.parametrize("seed", range(3))
def test_both_books_say_the_same_in_large_books(seed: int) -> None:
    """So they do with many orders on many price levels."""
    arguments = ["--seed", str(seed), "--streams", "1", "--commands", "1500", "--deep"]
    assert differential.main(arguments) == 0


@pytest.mark.full
def test_both_books_say_the_same_for_long() -> None:
    """Many long streams give the same events, level updates and states."""
    assert differential.main(["--seed", "10000", "--streams", "5000", "--commands", "1000"]) == 0


def test_a_seed_is_a_stream() -> None:
    """The same seed gives the same commands, another seed others."""
    assert stream(7, 50) == stream(7, 50)
    assert stream(7, 50) != stream(8, 50)


def test_the_shortest_failing_list_is_found() -> None:
    """Deleting commands ends at those that are needed for the failure."""
    commands = stream(7, 50)
    needed = {commands[13], commands[31]}

    found = smallest(commands, lambda tried: needed <= set(tried))

    assert found == [commands[13], commands[31]]
