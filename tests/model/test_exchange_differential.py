"""Seeded streams through the oracle's exchange and the real one."""

import pytest

from tests.model import exchange_differential
from tests.model.exchange_comparing import batches_of, shortest
from tests.model.exchange_differential import run
from tests.model.exchange_faces import Plain
from tests.model.exchange_settings import SETTINGS
from tests.model.exchange_streams import Batch, Money, exchange_stream
from tests.oracle.codes import EventKind, OrderType
from tests.oracle.exchange.codes import OF_FRAMES, Refusal
from tests.oracle.exchange.holds import Holds


@pytest.mark.parametrize("seed", range(0, 200, 20))
def test_both_exchanges_say_the_same(seed: int) -> None:
    """Eight streams of each starting seed give the same events, balances, holds and totals."""
    arguments = ["--seed", str(seed), "--streams", "8", "--commands", "200"]
    assert exchange_differential.main(arguments) == 0


@pytest.mark.full
def test_both_exchanges_say_the_same_for_long() -> None:
    """Many long streams do."""
    arguments = ["--seed", "10000", "--streams", "3000", "--commands", "1500"]
    assert exchange_differential.main(arguments) == 0


def test_a_seed_is_a_stream() -> None:
    """The same seed gives the same steps, another seed others."""
    assert exchange_stream(7, 50) == exchange_stream(7, 50)
    assert exchange_stream(7, 50) != exchange_stream(8, 50)


def test_streams_meet_every_rule() -> None:
    """Some stream runs into each refusal, each kind of event and each kind of order."""
    reasons, kinds, types, settings = set(), set(), set(), set()
    for seed in range(120):
        setting, steps = exchange_stream(seed, 150)
        plain = Plain(setting.listings)
        settings.add(setting.name)
        for step in steps:
            if isinstance(step, Money):
                plain.money(step)
            for batch in batches_of(step):
                for _, event in plain.process(batch):
                    reasons.add(event.reason)
                    kinds.add(event.kind)
                    if event.kind == EventKind.ACCEPTED:
                        types.add(batch.commands[event.command].order_type)

    # What comes with a frame is the protocol's.
    expected = {number for name, number in vars(Refusal).items() if name.isupper()}
    assert expected - OF_FRAMES <= reasons
    assert {number for name, number in vars(EventKind).items() if name.isupper()} <= kinds
    assert {number for name, number in vars(OrderType).items() if name.isupper()} <= types
    assert settings == {setting.name for setting in SETTINGS}


def test_an_exchange_that_keeps_money_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrong exchange differs from the oracle, and a few steps are found that show it."""

    class Keeping(Plain):
        """Once it has given back what an ended order held, it may not do so again."""

        def process(self, *batches: Batch):
            with monkeypatch.context() as wrong:
                wrong.setattr(Holds, "end", lambda holds, order_id: holds.by_id.pop(order_id))
                return super().process(*batches)

        def check(self) -> None:
            """It does not notice."""

    for seed in range(20):
        setting, steps = exchange_stream(seed, 100)
        if run(setting, steps, Keeping):
            few = shortest(steps, lambda tried, of=setting: bool(run(of, tried, Keeping)))
            assert 2 <= len(few) <= 5
            return
    pytest.fail("no stream ends an order that holds something")
