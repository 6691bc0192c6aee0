"""Recordings that start inside the day: what came before is found by what happens later."""

from __future__ import annotations

import dataclasses
import random
from pathlib import Path

import pytest

from .recorder import b3, bitstamp, cme_mbo, lobster, nasdaq_mbo
from .recorder.formats import B3, BITSTAMP, CME, ITCH, LOBSTER, NASDAQ, PITCH, Format
from .recorder.market import Session, play
from .replaying import run

REQUESTS = 300
RECORDERS = {"lobster": lobster, "nasdaq": nasdaq_mbo, "cme": cme_mbo, "b3": b3}


def cut_session(form: Format, seed: int) -> tuple[Session, int, int]:
    """A session, after which of its happenings the recording starts, and after which line.

    Icebergs hide what they have, and of an order whose first message is a change it is not
    told whether it kept its place: neither can be known.
    """
    manners = dataclasses.replace(form.manners, icebergs=False, keeps_place=form.manners.new_id)
    session = play(seed, manners, REQUESTS)
    cut = random.Random(seed).randint(20, 150)
    recorded = RECORDERS[form.name].record(session)
    line = next(number for number, at in enumerate(recorded.of) if at >= cut)
    return session, cut, line


@pytest.mark.parametrize("mode", ["match", "guided"])
@pytest.mark.parametrize("form", [LOBSTER, NASDAQ, CME, B3], ids=str)
@pytest.mark.parametrize("seed", range(12))
def test_what_follows_agrees_as_if_nothing_were_missing(
    form: Format, seed: int, mode: str, tmp_path: Path
) -> None:
    """Orders that are hit later stood where they must have; those never named are met by nobody."""
    session, cut, line = cut_session(form, seed)
    path = form.write(session, tmp_path, line)
    after = dataclasses.replace(session, happened=session.happened[cut:])
    found = run(path, mode)

    for market in session.markets:
        name = session.manners.markets[market.number]
        assert found.trades[name] == form.trades(after, market.number)
    wrong = {name: rows for name, rows in found.wrong().items() if "level" not in name}
    assert wrong == {}
    assert found.beyond() == []
    assert any("rested before the recording starts" in said for said in found.report.remarks)


@pytest.mark.parametrize("form", [ITCH, PITCH], ids=str)
def test_feeds_that_start_empty_say_what_names_no_order(form: Format, tmp_path: Path) -> None:
    """A day of ITCH or PITCH begins with nothing, so a cut one is damaged: the remarks say so."""
    session = play(5, form.manners, REQUESTS)
    path = form.write(session, tmp_path, 150)

    assert any("that is not open" in said for said in run(path, "match").report.remarks)


def test_a_log_says_how_many_orders_rested_before(tmp_path: Path) -> None:
    """What a fill took of an order that a Bitstamp log never showed whole is not told."""
    session = play(5, bitstamp.MANNERS, REQUESTS)
    lines = bitstamp.record(session)
    path = BITSTAMP.write(session, tmp_path, next(n for n, at in enumerate(lines.of) if at >= 100))

    said = run(path, "match").report.remarks
    assert any("rested before the recording starts" in remark for remark in said)
