"""The library under abuse: loops left early, agents that misbehave, replays side by side."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nextrade import AGENT_IDS, AGENT_OWNER, COMMAND_DTYPE, CommandKind, EventKind, Reason, Side
from nextrade.enums import TradingState
from nextrade.service.replay import Replay, Report, View

from .samples import SAMPLES, lobster_lines


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recording with orders from before its start."""
    path = tmp_path_factory.mktemp("library") / "AAPL_message.csv"
    path.write_bytes(lobster_lines(4_000))
    return path


@pytest.fixture(scope="module")
def plain(recording: Path) -> Report:
    """Its replay without anybody else."""
    return Replay(recording, batch=100).run()


def commands(count: int, **fields: Any) -> np.ndarray:
    """Commands with these fields, the rest 0."""
    made = np.zeros(count, dtype=COMMAND_DTYPE)
    for name, values in fields.items():
        made[name] = values
    return made


def same(one: Report, other: Report) -> None:
    """Two reports tell of the same replay."""
    assert (one.state_hash, one.trades, one.volume_lots) == (
        other.state_hash,
        other.trades,
        other.volume_lots,
    )
    assert one.checks == other.checks


def test_a_replay_is_walked_once(recording: Path) -> None:
    """The books have moved on: walking again is an error, also after a loop that was left."""
    whole = Replay(recording)
    whole.run()
    left = Replay(recording, batch=100)
    for _ in left:
        break

    for replay in (whole, left):
        before = replay.report().trades
        with pytest.raises(RuntimeError, match="walked once"):
            next(iter(replay))
        with pytest.raises(RuntimeError, match="walked once"):
            replay.run()
        assert replay.report().trades == before


def test_a_loop_that_is_left_goes_on_from_its_checkpoint(
    recording: Path, plain: Report, tmp_path: Path
) -> None:
    """Leaving by break or by an exception is a stop: what was walked counts, no more."""
    for error in (None, ZeroDivisionError):
        replay = Replay(recording, batch=100)
        seen = 0
        try:
            for number, step in enumerate(replay):
                seen += int((step.events["kind"] == EventKind.TRADE).sum())
                if number == 17:
                    if error is not None:
                        raise error
                    break
        except ZeroDivisionError:
            pass
        assert replay.report().trades == seen
        assert replay.report().stopped_at is not None
        replay.checkpoint(tmp_path / "state")
        same(Replay.resume(recording, tmp_path / "state").run(), plain)


def test_two_replays_side_by_side_do_not_meet(recording: Path, plain: Report) -> None:
    """Replays of one file walked in turns, and two in threads, give what one alone gives."""
    first, second = Replay(recording, batch=100), Replay(recording, batch=100)
    for _ in zip(first, second, strict=True):
        pass
    same(first.report(), plain)
    same(second.report(), plain)

    told: list[Report] = []
    work = [
        threading.Thread(target=lambda: told.append(Replay(recording, batch=100).run()))
        for _ in range(4)
    ]
    for thread in work:
        thread.start()
    for thread in work:
        thread.join()
    assert len(told) == 4
    for report in told:
        same(report, plain)


@pytest.mark.parametrize(
    "answer",
    [
        [1, 2],
        "abc",
        5,
        np.zeros(3),
        commands(1)[0],
        commands(1).reshape(()),
        commands(4).reshape(2, 2),
        np.zeros(2, dtype=[("kind", "u1")]),
    ],
)
def test_an_answer_that_is_no_commands(recording: Path, answer: Any) -> None:
    """Anything but a row of commands is a TypeError that says what is wanted."""
    with pytest.raises(TypeError, match="COMMAND_DTYPE"):
        Replay(recording, batch=100, agent=lambda _: answer).run()


@pytest.mark.parametrize("kind", [CommandKind.EXPIRE, CommandKind.SET_STATE, CommandKind.UNCROSS])
def test_an_agent_does_not_rule_the_market(recording: Path, kind: CommandKind) -> None:
    """A halt, an auction or a clock is not an agent's to set: a ValueError, nothing happens."""
    replay = Replay(
        recording, batch=100, agent=lambda _: commands(1, kind=kind, state=TradingState.HALTED)
    )
    with pytest.raises(ValueError, match="state of the market"):
        replay.run()
    assert [book.state for book in replay.books.values()] == [TradingState.OPEN]


def test_the_error_of_an_agent_comes_out(recording: Path) -> None:
    """What an agent raises is what the loop raises; the books are sound."""

    def broken(view: View) -> None:
        if view.now_ns > 34_201_000_000_000:
            raise ZeroDivisionError("the agent's own")

    replay = Replay(recording, batch=100, agent=broken)
    with pytest.raises(ZeroDivisionError, match="the agent's own"):
        replay.run()
    for book in replay.books.values():
        book.check_invariants()


def _on_all(kind: CommandKind) -> Callable[[View], np.ndarray]:
    def agent(view: View) -> np.ndarray:
        found = view.book.orders()
        found = found[found["owner"] != AGENT_OWNER]
        made = commands(len(found), kind=kind, qty_lots=1, price_ticks=1)
        made["order_id"] = found["order_id"]
        return made

    return agent


@pytest.mark.parametrize("owner", [0, 1, 7])
@pytest.mark.parametrize(
    "kind", [CommandKind.CANCEL, CommandKind.REDUCE, CommandKind.REPLACE, CommandKind.MASS_CANCEL]
)
def test_recorded_orders_are_not_an_agents(
    recording: Path, plain: Report, kind: CommandKind, owner: int
) -> None:
    """Whatever owner an agent claims, it gets at no recorded order."""

    def agent(view: View) -> np.ndarray:
        made = _on_all(kind)(view)
        made["owner"] = owner
        return made

    replay = Replay(recording, batch=100, agent=agent)
    tried = 0
    for step in replay:
        own = step.events[step.events["owner"] == AGENT_OWNER]
        if kind == CommandKind.MASS_CANCEL:
            assert not (own["kind"] == EventKind.CANCELED).any()
            tried += 1
            continue
        assert set(own["kind"].tolist()) <= {EventKind.REJECTED}
        assert set(own["reason"].tolist()) <= {Reason.NOT_OWNER, Reason.UNKNOWN_ORDER}
        tried += len(own)
    assert tried > 10
    same(replay.report(), plain)


def test_ids_that_are_taken_are_refused(recording: Path) -> None:
    """An agent's order with the id of an open one is a duplicate."""

    def agent(view: View) -> np.ndarray:
        ids = view.book.orders()["order_id"]
        return commands(len(ids), kind=CommandKind.PLACE, order_id=ids, price_ticks=1, qty_lots=1)

    replay = Replay(recording, batch=100, agent=agent)
    reasons: set[int] = set()
    for step in replay:
        own = step.events[step.events["owner"] == AGENT_OWNER]
        reasons |= set(own["reason"][own["kind"] == EventKind.REJECTED].tolist())
        book = next(iter(replay.books.values()))
        book.check_invariants()
    assert Reason.DUPLICATE_ORDER_ID in reasons


def test_a_flood_of_orders(recording: Path, plain: Report) -> None:
    """100,000 orders far from the market, time and again: the recorded trades are the same."""
    sent = 0

    def flood(_: View) -> np.ndarray | None:
        nonlocal sent
        if sent >= 500_000:
            return None
        ids = AGENT_IDS + sent + np.arange(100_000, dtype=np.uint64)
        sent += 100_000
        return commands(
            100_000, kind=CommandKind.PLACE, side=Side.BUY, order_id=ids, price_ticks=1, qty_lots=1
        )

    replay = Replay(recording, batch=100, agent=flood)
    report = replay.run()

    assert (report.trades, report.volume_lots) == (plain.trades, plain.volume_lots)
    (book,) = replay.books.values()
    assert (book.orders()["owner"] == AGENT_OWNER).sum() == 500_000
    book.check_invariants()


def test_a_flow_survives_what_a_recording_survives(tmp_path: Path) -> None:
    """An agent beside a flow of commands is held to the same."""
    path = tmp_path / "flow.npy"
    path.write_bytes(SAMPLES["npy"])
    for answer in (commands(1, kind=CommandKind.UNCROSS), np.zeros(1)):
        with pytest.raises((ValueError, TypeError)):
            Replay(path, batch=50, agent=lambda _, answer=answer: answer).run()
    replay = Replay(path, batch=50, agent=_on_all(CommandKind.CANCEL))
    replay.run()
    for book in replay.books.values():
        book.check_invariants()
