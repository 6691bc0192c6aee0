"""A call whose reply is lost is sent again by the client; it is told as done by this call."""

from typing import Any

import pytest

from nextrade.service.ledger.redis.codes import Call

from .homes import Home


@pytest.mark.parametrize("call", ["credit", "hold", "capture", "refund", "transfer"])
def test_a_lost_reply_is_no_repetition(
    server_home: Home, call: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """True though the bucket said "done before"; and False for whoever really repeats it."""
    ledger: Any = server_home.new()
    ledger.credit("money", 1, 0, 1000)
    ledger.hold("held", 1, 0, 10)
    wanted = {
        "credit": (Call.CREDIT, lambda: ledger.credit("new", 1, 0, 5)),
        "hold": (Call.HOLD, lambda: ledger.hold("new", 1, 0, 5)),
        "capture": (Call.CAPTURE, lambda: ledger.capture("held")),
        "refund": (Call.REFUND, lambda: ledger.refund("held")),
        "transfer": (Call.CAPTURE, lambda: ledger.transfer("new", 1, 2, 0, 5)),
    }
    code, act = wanted[call]
    name = f"nextrade_{code.name.lower()}".encode()
    attempt, lost = ledger.shards._attempt, []

    def losing(calls: Any, left: Any, replies: Any) -> Any:
        done = attempt(calls, left, replies)
        if not lost and any(name in command for _, command in calls):
            lost.append(name)
            return left, "the replies were lost"
        return done

    monkeypatch.setattr(ledger.shards, "_attempt", losing)
    assert act() is True
    assert lost == [name]
    assert act() is False
