"""Replays of recordings whose truth is known, in every format: nothing is missed or made up."""

from __future__ import annotations

from pathlib import Path

import pytest

from .recorder.formats import FORMATS, Format
from .recorder.market import Session, play
from .replaying import Outcome, run, true_standing

SEEDS = range(8)
MANY_SEEDS = range(100, 200)
REQUESTS = 250
MODES = ("rebuild", "match", "guided")


def agrees_completely(form: Format, session: Session, path: Path, mode: str) -> None:
    """Every trade, every order at the end, and every check of the report."""
    found = run(path, mode)
    for market in session.markets:
        name = session.manners.markets[market.number]
        if name not in found.standing:  # nothing ever came of it
            assert not session.of(market.number)
            continue
        wanted = [] if mode == "rebuild" else form.trades(session, market.number)
        assert found.trades[name] == wanted
        assert found.standing[name] == true_standing(session, market.number, form.tick, form.lot)
    assert found.wrong() == {}
    assert found.beyond() == []
    if mode != "rebuild":
        _counts_are_true(form, session, found)


def _counts_are_true(form: Format, session: Session, found: Outcome) -> None:
    fills = sum(len(one.fills) for one in session.happened)
    if form.name == "bitstamp":
        assert found.rows("trades of the recording") == fills
        return
    assert found.rows("aggressive orders: the same fills") == form.aggressive(session)
    assert found.rows("fills of the recording") == fills


@pytest.mark.parametrize("form", FORMATS, ids=str)
@pytest.mark.parametrize("seed", SEEDS)
def test_every_mode_finds_the_whole_truth(form: Format, seed: int, tmp_path: Path) -> None:
    """Rebuilt, matched or guided: each fill, time and resting order is as it was."""
    session = play(seed, form.manners, REQUESTS, before=form.before)
    path = form.write(session, tmp_path, 0)

    for mode in MODES:
        agrees_completely(form, session, path, mode)


@pytest.mark.full
@pytest.mark.parametrize("form", FORMATS, ids=str)
@pytest.mark.parametrize("seed", MANY_SEEDS)
def test_every_mode_finds_the_whole_truth_of_many(form: Format, seed: int, tmp_path: Path) -> None:
    """As above, for many more and longer sessions."""
    session = play(seed, form.manners, 2 * REQUESTS, before=form.before)
    path = form.write(session, tmp_path, 0)

    for mode in MODES:
        agrees_completely(form, session, path, mode)
