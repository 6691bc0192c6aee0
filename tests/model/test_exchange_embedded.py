"""Seeded streams through the embedded exchange, closed and opened again on the way."""

import tempfile

import pytest

from tests.model.exchange_comparing import as_text, difference, shortest
from tests.model.exchange_embedded import Embedded, PlainWhole, for_all_markets
from tests.model.exchange_settings import Setting
from tests.model.exchange_streams import Restart, Step, exchange_stream


def run(setting: Setting, steps: list[Step]) -> str:
    """Let oracle and exchange take all steps. Answers with the first difference."""
    with tempfile.TemporaryDirectory() as folder:
        plain, embedded = PlainWhole(setting.listings), Embedded(setting.listings, folder)
        for step in steps:
            found = difference(plain, embedded, step)
            if found:
                break
        embedded.exchange.close()
    return found


def agree(seed: int, commands: int) -> None:
    """Fail with the shortest list of steps if oracle and exchange differ."""
    setting, steps = exchange_stream(seed, commands)
    steps = [*for_all_markets(steps), Restart()]
    found = run(setting, steps)
    if found:
        few = shortest(steps, lambda tried: bool(run(setting, tried)))
        text = "\n".join(as_text(step) for step in few)
        pytest.fail(f"seed {seed}, setting {setting.name!r}: {found}\n{text}")


@pytest.mark.parametrize("seed", range(12))
def test_the_embedded_exchange_does_what_the_oracle_does(seed: int) -> None:
    """Events, balances, holds and books are the same, also after each reopening of the path."""
    agree(seed, 200)


@pytest.mark.full
@pytest.mark.parametrize("seed", range(1000, 1200))
def test_the_embedded_exchange_does_so_for_long(seed: int) -> None:
    """So they are over many long streams."""
    agree(seed, 1500)
