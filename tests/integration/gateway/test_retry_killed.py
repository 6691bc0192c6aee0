"""dlq retry killed at every point: the letter is not lost, and its commands run once."""

import re
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from click.testing import Result

from nextrade.domain.protocol.frames import decode

from ...rabbit_here import Look
from .test_commands import bury, dead, letter

Call = Callable[..., Result]

KILLED = """
import os, signal, sys
from nextrade.cli import root
from nextrade.platform.rabbit.inbox import Inbox
from nextrade.platform.rabbit.publisher import Publisher

left = int(sys.argv.pop(1))

def point():
    global left
    left -= 1
    if left < 0:
        os.kill(os.getpid(), signal.SIGKILL)

def cut(kind, name, end):
    whole = getattr(kind, name)
    def before_and_after(*words):
        point()
        done = end(whole(*words))
        point()
        return done
    setattr(kind, name, before_and_after)

def confirmed(future):
    future.result(30)
    return future

cut(Publisher, "send", confirmed)
cut(Inbox, "remove", lambda done: done)
root(["dlq", "retry", *sys.argv[1:]])
"""

# Two sent messages and three letters taken out (two copies, and the note), each with a point
# before and one after it.
POINTS = 10


def killed(point: int, *words: str) -> int:
    """Retry in a process of its own that kills itself there; its exit code."""
    command = [sys.executable, "-c", KILLED, str(point), *words]
    return subprocess.run(command, timeout=60, check=False, capture_output=True).returncode


@pytest.mark.full
def test_a_retry_killed_anywhere_runs_once(call: Call, look: Look, bus: Any) -> None:
    """Killed twice at the same point, then left alone: one frame id, and no letter is left.

    Also where the note lies behind what is looked at.
    """
    orders, dead_queue = bus.topology.orders(0), bus.topology.dead(0)
    for point in range(POINTS):
        bury(look, dead_queue, letter(5), letter(6), letter(5))
        codes = [killed(point, "--limit", "1", "5")]
        if any(one["frame"] == 5 for one in dead(call)):
            codes.append(killed(point, "--limit", "1000", "5"))
        while any(one["frame"] == 5 for one in dead(call)):
            assert call("dlq", "retry", "5").exit_code == 0
        assert codes[0] == -9
        sent = {body for _, body in look.drain(orders)}
        assert len(sent) == 1, f"killed at point {point}"
        assert decode(sent.pop()).records["order_id"].tolist() == [5]
        assert [one["frame"] for one in dead(call)] == [6]
        look.drain(dead_queue)
    assert killed(POINTS, "5") == 1  # no letter is left, and so nothing to be killed at


def test_a_second_retry_sends_the_same_frame(call: Call, look: Look, bus: Any) -> None:
    """A letter with a note, at whatever place, has the id that it names."""
    orders, dead_queue = bus.topology.orders(0), bus.topology.dead(0)
    bury(look, dead_queue, letter(5), letter(6))
    assert killed(5, "5") == -9  # the frame is confirmed, and the note still there
    ((_, first),) = look.drain(orders)
    bury(look, dead_queue, letter(5))
    said = call("dlq", "retry", "5", "--limit", "2").stdout

    ((_, second),) = look.drain(orders)
    assert first == second
    assert re.search(rf"frame 5: sent again as {decode(first).identity} \(2 copies\)", said)
    assert [one["frame"] for one in dead(call)] == [6]


def test_what_failed_again_is_retried_as_another(call: Call, look: Look, bus: Any) -> None:
    """The frame that was sent again is a letter of its own when it dies."""
    orders, dead_queue = bus.topology.orders(0), bus.topology.dead(0)
    bury(look, dead_queue, letter(5))
    for _ in range(2):
        assert call("dlq", "retry", "--all").exit_code == 0
        ((_, body),) = look.drain(orders)
        assert decode(body).identity not in (0, 5)
        assert not dead(call)
        bury(look, dead_queue, body)
    assert call("dlq", "retry", "--all").exit_code == 0
    ((_, last),) = look.drain(orders)
    assert last != body
