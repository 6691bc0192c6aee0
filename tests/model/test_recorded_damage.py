"""Recordings that are damaged in known places: exactly these are reported, and no others."""

from __future__ import annotations

import dataclasses
import random
from pathlib import Path

import pytest

from tests.oracle.codes import Side

from .recorder import itch, lobster, nasdaq_mbo, pitch
from .recorder.formats import B3, CME, ITCH, LOBSTER, NASDAQ, PITCH, Format
from .recorder.market import Happening, Session, play
from .recorder.truth import Trade
from .replaying import run

REQUESTS = 500


def a_session(form: Format, seed: int, **manners: object) -> Session:
    """A session in which the time tells every two aggressive orders apart."""
    apart = dataclasses.replace(form.manners, same_time=0.0, **manners)  # type: ignore[arg-type]
    return play(seed, apart, REQUESTS, before=form.before)


def at_times(trades: list[Trade]) -> dict[int, list[Trade]]:
    """The trades of each aggressive order, by its time."""
    found: dict[int, list[Trade]] = {}
    for trade in trades:
        found.setdefault(trade.time_ns, []).append(trade)
    return found


def differing_times(found: list[Trade], recorded: list[Trade]) -> set[int]:
    """When the engine traded otherwise than the recording says."""
    made, wanted = at_times(found), at_times(recorded)
    return {time for time in made.keys() | wanted.keys() if made.get(time) != wanted.get(time)}


def reports_exactly(form: Format, session: Session, path: Path, wrong: list[Happening]) -> None:
    """Guided mode differs at the times of these aggressive orders, and says how many they are."""
    found = run(path, "guided")
    differing = set()
    for market in session.markets:
        name = session.manners.markets[market.number]
        differing |= differing_times(
            found.trades.get(name, []), form.trades(session, market.number)
        )
    assert differing == {form.clock(one.time_ns) for one in wrong}
    reported = [
        check for check in found.report.checks if check.name == "aggressive orders: the same fills"
    ]
    assert [check.wrong for check in reported] == [len(wrong)]


@pytest.mark.parametrize("seed", range(10))
def test_orders_that_trade_with_two_slices_of_an_iceberg_are_reported(
    seed: int, tmp_path: Path
) -> None:
    """What an iceberg hides is in no message, so who took more than it showed differs."""
    session = a_session(CME, seed, into_icebergs=True)
    path = CME.write(session, tmp_path, 0)

    reports_exactly(CME, session, path, [one for one in session.happened if one.hits_again])


@pytest.mark.parametrize("form", [LOBSTER, ITCH, PITCH, NASDAQ, CME, B3], ids=str)
@pytest.mark.parametrize("seed", range(6))
def test_queues_that_were_not_served_in_order_are_reported(
    form: Format, seed: int, tmp_path: Path
) -> None:
    """Where the head of a queue was passed over, guided mode says so, and goes on unharmed."""
    session = a_session(form, seed, unfair=0.8, icebergs=False, prevents=False)
    path = form.write(session, tmp_path, 0)
    unfair = [one for one in session.happened if one.unfair]

    assert unfair
    reports_exactly(form, session, path, unfair)


def later(session: Session, at: int) -> list[Happening]:
    """What happens in the same market afterwards."""
    market = session.happened[at].market
    return [one for one in session.happened[at + 1 :] if one.market == market]


def is_ahead(ghost: Happening, one: Happening) -> bool:
    """Whether a matching engine would serve an order that is gone before the last one hit."""
    last = one.fills[-1]
    if one.side == ghost.side or last.price_ticks == 0:
        return False
    better = ghost.old_ticks - last.price_ticks
    if one.side == Side.BUY:
        better = -better
    return better > 0 or (better == 0 and ghost.old_id < last.maker_id)


def is_harmless(session: Session, at: int) -> bool:
    """Whether no order ever rests at a price that crosses the one canceled there."""
    ghost = session.happened[at]
    for one in later(session, at):
        if one.rest_lots and one.kind in ("new", "replace") and one.side != ghost.side:
            away = one.rest_ticks - ghost.old_ticks
            if (away if one.side == Side.SELL else -away) <= 0:
                return False
    return True


def without_cancels(form: Format, session: Session, gone: set[int], folder: Path) -> Path:
    """The recording without the messages of some cancels."""
    if form is ITCH:
        path = folder / "day.itch"
        said = [message for at, message in itch.record(session) if at not in gone]
        path.write_bytes(itch.framed(said))
        return path
    if form is PITCH:
        path = folder / "day.pitch"
        session_lines = pitch.record_with_numbers(session)
        path.write_text("".join(f"{line}\n" for at, line in session_lines if at not in gone))
        return path
    if form is LOBSTER:
        lines = lobster.record(session)
        lines.messages = [
            line for at, line in zip(lines.of, lines.messages, strict=True) if at not in gone
        ]
        path = lines.write(folder)
        path.with_name(path.name.replace("message", "orderbook")).unlink()
        return path
    rows = nasdaq_mbo.record(session)
    rows.mbo = [row for at, row in zip(rows.of, rows.mbo, strict=True) if at not in gone]
    path = rows.write(folder)
    (folder / "ARL_XNAS_mbp10.csv").unlink()
    return path


@pytest.mark.parametrize("form", [LOBSTER, ITCH, PITCH, NASDAQ], ids=str)
@pytest.mark.parametrize("seed", range(8))
def test_orders_that_met_one_whose_cancel_is_missing_are_reported(
    form: Format, seed: int, tmp_path: Path
) -> None:
    """An order whose cancel is not in the file stands in the way of exactly those that would
    have met it before what they hit."""
    session = a_session(form, seed)
    cancels = [
        at
        for at, one in enumerate(session.happened)
        if one.kind == "cancel" and is_harmless(session, at)
    ]
    gone = set(random.Random(seed).sample(cancels, min(len(cancels), 4)))
    path = without_cancels(form, session, gone, tmp_path)
    wrong = {
        id(one): one
        for at in gone
        for one in later(session, at)
        if one.fills and is_ahead(session.happened[at], one)
    }

    reports_exactly(form, session, path, list(wrong.values()))
