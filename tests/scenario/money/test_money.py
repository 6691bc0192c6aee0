"""Every scenario about money, step by step, over the oracle's exchange and over the real one."""

from pathlib import Path
from typing import Any

import pytest

from tests.model.exchange_faces import Plain, Real
from tests.oracle.exchange.codes import OF_FRAMES, Refusal
from tests.scenario.money.drawing import (
    NO_MARKETS,
    STEPS,
    draw_balances,
    is_money,
    read_batch,
    read_markets,
    read_money,
    write_hold,
    write_market_event,
    write_money,
)
from tests.scenario.reading import Scenario, read_scenarios

SCENARIOS = [
    scenario
    for path in sorted(Path(__file__).parent.glob("*.txt"))
    for scenario in read_scenarios(path, STEPS)
]


def carry_out(exchange: Any, step: str, lines: list[str], position: str) -> list[str]:
    """Take the lines of one step. Answers with what happened, in words."""
    told: list[str] = []
    orders = [line for line in lines if not is_money(line)]
    if step == "batch":
        assert orders == lines, "money moves between batches"
        return [write_market_event(event) for event in exchange.process(read_batch(lines))]
    for count, line in enumerate(lines):
        if is_money(line):
            told += write_money(exchange.money(read_money(line, f"{position}.{count}")))
        else:
            told += [write_market_event(event) for event in exchange.process(read_batch([line]))]
        exchange.check()
    return told


def refusals(told: list[str]) -> list[str]:
    """The lines that say that something was not done."""
    return [line for line in told if line.split()[0] in ("rejected", "refused", "done")]


@pytest.mark.parametrize("face", [Plain, Real], ids=["oracle", "exchange"])
@pytest.mark.parametrize(
    "scenario", SCENARIOS, ids=[f"{scenario.source} {scenario.title}" for scenario in SCENARIOS]
)
def test_money(scenario: Scenario, face: Any) -> None:
    """Balances and holds are what the tables say."""
    steps = list(scenario.steps)
    listings, names = read_markets(steps.pop(0)[1]) if steps[0][0] == "markets" else NO_MARKETS
    exchange = Plain(listings) if face is Plain else Real(listings, names)
    told: list[str] = []
    for position, (step, lines) in enumerate(steps):
        if step == "then":
            assert told == lines
            told = []
        elif step in ("balances", "holds"):
            assert refusals(told) == [], "the scenario does not say that something was refused"
        if step == "then":
            continue
        if step == "balances":
            assert draw_balances(exchange.balances(), listings) == lines
        elif step == "holds":
            assert [write_hold(hold) for hold in exchange.open_holds()] == lines
        else:
            happened = carry_out(exchange, step, lines, str(position))
            assert step != "given" or refusals(happened) == []
            told += happened if step != "given" else []
        exchange.check()
    assert refusals(told) == [], "the scenario does not say that something was refused"


def test_every_refusal_is_drawn() -> None:
    """No refusal is without a scenario."""
    drawn = {
        word
        for scenario in SCENARIOS
        for step, lines in scenario.steps
        if step == "then"
        for line in lines
        for word in line.split()
    }

    # What comes with a frame is not of the exchange, but of the protocol.
    refusals = {name: code for name, code in vars(Refusal).items() if name.isupper()}
    assert {name for name, code in refusals.items() if code not in OF_FRAMES} <= drawn
