"""Generated order flow: the same everywhere, made of all that a book can do, mostly accepted."""

import hashlib

import numpy as np
import pytest

from nextrade import (
    COMMAND_DTYPE,
    CommandKind,
    EventKind,
    OrderBook,
    OrderType,
    PostOnly,
    SelfTrade,
    TimeInForce,
    TradingState,
    generate,
)
from nextrade.service.generate import MODELS, flow, generate_batches
from nextrade.service.generate.draws import below, draw, power_law

# SHA-256 over the bytes of 20,000 commands with seed 7, first 16 digits. They change only
# when a model is changed on purpose: what people have generated must stay reproducible.
FROZEN = {
    "calm": "3dc16f7ced3ece67",
    "heavy-cancel": "e41b52e616125922",
    "sweep": "c5ee871e65c73ce1",
    "deep-book": "714973b2c53eefd4",
    "opening-auction": "01d4e65734e553dc",
    "day": "65fb41c3a48d413d",
}


@pytest.mark.parametrize("model", MODELS)
def test_a_seed_gives_the_same_bytes_for_ever(model: str) -> None:
    """Model, length and seed decide every byte."""
    commands = generate(model, 20_000, 7)

    assert hashlib.sha256(commands.tobytes()).hexdigest()[:16] == FROZEN[model]
    assert commands.tobytes() != generate(model, 20_000, 8).tobytes()


@pytest.mark.parametrize("model", MODELS)
def test_the_block_size_does_not_show(model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """How many orders are made at a time changes nothing."""
    usual = generate(model, 12_000, 3)
    monkeypatch.setattr(flow, "BLOCK", 997)

    assert generate(model, 12_000, 3).tobytes() == usual.tobytes()


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("commands", [0, 1, 2, 3, 10, 1000])
def test_the_length_is_what_was_asked_for(model: str, commands: int) -> None:
    """Exactly so many commands, in batches or at once."""
    flow_of_model = generate(model, commands, 1)

    assert len(flow_of_model) == commands
    assert flow_of_model.dtype == COMMAND_DTYPE
    assert sum(len(batch) for batch in generate_batches(model, commands, 1)) == commands


@pytest.mark.parametrize("model", MODELS)
def test_most_commands_are_accepted(model: str) -> None:
    """The book refuses less than a fifth, and trades happen."""
    commands = generate(model, 100_000, 2)
    book = OrderBook()
    kinds = book.process(commands)["kind"]
    book.check_invariants()

    assert (np.diff(commands["timestamp_ns"]) > 0).all()
    assert np.count_nonzero(kinds == EventKind.REJECTED) < len(commands) // 5
    assert np.count_nonzero(kinds == EventKind.TRADE) > len(commands) // 100
    places = commands["kind"] == CommandKind.PLACE
    assert len(np.unique(commands["order_id"][places])) == np.count_nonzero(places)


def test_calm_flow_uses_every_feature() -> None:
    """Every order type, time in force, post-only and self-trade rule, and icebergs appear."""
    commands = generate("calm", 50_000, 1)
    placed = commands[commands["kind"] == CommandKind.PLACE]

    assert set(placed["order_type"].tolist()) == set(OrderType)
    assert set(placed["time_in_force"].tolist()) == set(TimeInForce)
    assert set(placed["post_only"].tolist()) == set(PostOnly)
    assert set(placed["self_trade"].tolist()) == set(SelfTrade)
    assert placed["display_lots"].any()
    assert placed["quote_amount"].any()
    kinds = OrderBook().process(commands)["kind"]
    for kind in ("TRADE", "CANCELED", "REDUCED", "REPLACED", "TRIGGERED", "REFRESHED"):
        assert np.count_nonzero(kinds == EventKind[kind])


def test_models_are_what_their_names_say() -> None:
    """The deep book is deep, sweeps take many makers, a day opens and closes with auctions."""
    deep, calm = OrderBook(), OrderBook()
    deep.process(generate("deep-book", 100_000, 1))
    calm.process(generate("calm", 100_000, 1))
    assert len(deep) > 10 * len(calm)

    events = OrderBook().process(generate("sweep", 100_000, 1))
    trades = events[events["kind"] == EventKind.TRADE]
    assert np.bincount(trades["command"]).max() > 40

    day = OrderBook()
    events = day.process(generate("day", 100_000, 1))
    assert events["kind"][0] == EventKind.STATE_AUCTION
    assert np.count_nonzero(events["kind"] == EventKind.UNCROSSED) == 2
    assert (events["qty_lots"][events["kind"] == EventKind.UNCROSSED] > 0).all()
    assert day.state == TradingState.HALTED


def test_wrong_arguments_are_named() -> None:
    """An unknown model, a negative length and a seed out of range are ValueErrors."""
    with pytest.raises(ValueError, match="no model 'wild'; known are calm"):
        generate("wild", 1)
    with pytest.raises(ValueError, match="negative"):
        generate("calm", -1)
    with pytest.raises(ValueError, match="seed"):
        generate("calm", 1, 2**64)


def test_draws_are_splitmix64_by_position() -> None:
    """Any stretch of a stream is that stretch of the whole, evenly spread."""
    whole = draw(5, 2, 0, 100_000)

    assert (draw(5, 2, 400, 50) == whole[400:450]).all()
    assert len(np.unique(whole)) == len(whole)
    counts = np.bincount(below(whole, 10), minlength=10)
    assert counts.sum() == 100_000
    assert abs(counts - 10_000).max() < 500
    tail = power_law(whole, 3, 300)
    assert tail.min() == 3
    assert tail.max() == 300
    # P(at least x) = (3 / x)**2
    assert abs(np.count_nonzero(tail >= 30) - 1000) < 150
