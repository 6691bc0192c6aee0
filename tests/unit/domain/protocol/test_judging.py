"""What becomes of each delivery: it runs, ends with a verdict, or is only acknowledged again."""

import struct

import numpy as np
import pytest

from nextrade import COMMAND_DTYPE, CommandKind
from nextrade.domain.protocol.frames import (
    NAME_DTYPE,
    TIER_DTYPE,
    FrameKind,
    Verdict,
    commands_frame,
    decode,
    knock_frame,
    listings_frame,
    named_frame,
    tiers_frame,
    verdict_frame,
)
from nextrade.domain.protocol.ids import EPOCH_MS, first_id
from nextrade.domain.protocol.judging import (
    REASONS,
    Burial,
    Judgement,
    frame_record,
    identity_of_bytes,
    judge,
)
from nextrade.domain.protocol.ports import Delivery
from nextrade.domain.protocol.remembered import Remembered

PARTITION = 3


def at(milliseconds: int) -> int:
    """A frame id of this time."""
    return first_id(EPOCH_MS + milliseconds)


def commands(identity: int, qty_lots: int = 1, partition: int = PARTITION, count: int = 2) -> bytes:
    """A frame of orders."""
    some = np.zeros(count, COMMAND_DTYPE)
    some["kind"], some["qty_lots"], some["price_ticks"] = CommandKind.PLACE, qty_lots, 5
    return commands_frame(partition, identity, some)


def named(identity: int) -> bytes:
    """A frame of one order with a client order id."""
    some = np.zeros(1, COMMAND_DTYPE)
    some["kind"] = CommandKind.PLACE
    return named_frame(PARTITION, identity, some, np.array([(0, b"mine")], NAME_DTYPE))


def tiers(identity: int) -> bytes:
    """A frame that gives an account a tier."""
    return tiers_frame(PARTITION, identity, np.array([(1, 0)], TIER_DTYPE))


def condemned(message: bytes, verdict: Verdict = Verdict.DEAD_LETTERED) -> bytes:
    """The frame that asks to end a message which was delivered too often."""
    return verdict_frame(PARTITION, verdict, message)


def newer(message: bytes) -> bytes:
    """The same frame of a version that is not known here."""
    return message[:4] + struct.pack("<H", 3) + message[6:]


def known(*frames: tuple[int, int, Verdict], forgotten_up_to: int = 0) -> Remembered:
    """What ended before: id, checksum, verdict; and until when it may be forgotten."""
    remembered = Remembered()
    for identity, crc, verdict in frames:
        remembered.add(frame_record(identity, crc, 1, verdict))
    if forgotten_up_to:
        remembered.evicted_up_to_ms = EPOCH_MS + forgotten_up_to
    return remembered


def judged(
    remembered: Remembered, *messages: bytes, redelivered: tuple[int, ...] = ()
) -> Judgement:
    """Judge messages, some of them delivered before."""
    return judge(
        PARTITION,
        remembered,
        [Delivery(1, tag, message, tag in redelivered) for tag, message in enumerate(messages)],
    )


def tags(judgement: Judgement) -> tuple[list[list[int]], list[int]]:
    """Which deliveries make batches together, and which are only acknowledged."""
    return (
        [[delivery.tag for delivery in group.deliveries] for group in judgement.groups],
        [delivery.tag for delivery in judgement.repeated],
    )


A, B, C = at(10), at(20), at(30)


# --- one delivery --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("message", "kind", "records", "with_ids"),
    [
        (commands(A), FrameKind.COMMANDS, 2, False),
        (named(A), FrameKind.COMMANDS, 1, True),
        (tiers(A), FrameKind.TIERS, 0, False),
        (listings_frame(PARTITION, A, b"{}"), FrameKind.LISTINGS, 0, False),
    ],
)
def test_what_runs(message: bytes, kind: FrameKind, records: int, with_ids: bool) -> None:
    """A new frame makes a batch of its kind; only commands are counted."""
    judgement = judged(known((B, 1, Verdict.RUN), forgotten_up_to=9), message)
    (group,) = judgement.groups

    assert (group.kind, group.named, group.burials) == (kind, with_ids, [])
    assert group.table().tolist() == [(A, decode(message).crc, records, Verdict.RUN, 0)]
    assert [frame.identity for frame in group.frames] == [A]
    assert (judgement.repeated, judgement.burials) == ([], [])


UNDECODABLE = {
    "nothing": (b"", "0 bytes that do not begin"),
    "no frame": (b"hello" * 20, "100 bytes that do not begin"),
    "another version": (newer(commands(A)), "a frame of version 3; this build reads"),
    "cut off": (commands(A)[:-1], "bytes in a message of"),
    "too long": (commands(A) + b"\0", "bytes in a message of"),
    "cut in its head": (commands(A)[:20], "20 bytes that do not begin"),
    "damaged": (commands(A)[:-1] + b"\7", "checksum does not fit"),
    "without an id": (commands(0), "the id 0, which no gateway gives"),
    "an id that is too high": (commands(1 << 62), "which no gateway gives"),
}


@pytest.mark.parametrize(("message", "reason"), UNDECODABLE.values(), ids=UNDECODABLE)
def test_what_is_no_frame(message: bytes, reason: str) -> None:
    """It is known by its bytes, runs nothing, and becomes a dead letter that says what is wrong."""
    (group,) = judged(known(), message).groups
    ((buried, why, identity),) = group.burials

    assert group.kind == FrameKind.VERDICT
    assert group.frames == []
    assert group.records == [(identity_of_bytes(message), 0, 0, Verdict.UNDECODABLE)]
    assert (buried, identity) == (message, identity_of_bytes(message))
    assert reason in why
    assert identity >> 63


def test_a_frame_of_another_partition() -> None:
    """It ends by its bytes: its id belongs to the other partition."""
    message = commands(A, partition=5)
    (group,) = judged(known(), message).groups

    assert group.records == [(identity_of_bytes(message), 0, 0, Verdict.WRONG_PARTITION)]
    assert group.burials[0].reason == f"it names partition 5, and came to {PARTITION}"


def test_a_knock() -> None:
    """It only wanted to be delivered."""
    assert tags(judged(known(), knock_frame(PARTITION))) == ([], [0])
    (group,) = judged(known(), knock_frame(5)).groups
    assert group.records[0][3] == Verdict.WRONG_PARTITION


def test_a_frame_that_may_be_forgotten() -> None:
    """What is no newer than the newest forgotten frame may have run; what is newer has not."""
    judgement = judged(known(forgotten_up_to=20), commands(A), commands(B), commands(C))

    assert [group.records[0][3] for group in judgement.groups] == [
        Verdict.TOO_OLD,
        Verdict.TOO_OLD,
        Verdict.RUN,
    ]
    assert judgement.groups[0].records == [(A, decode(commands(A)).crc, 0, Verdict.TOO_OLD)]
    assert judgement.groups[0].burials == [Burial(commands(A), REASONS[Verdict.TOO_OLD], A)]


# --- what ended before ---------------------------------------------------------------------------


@pytest.mark.parametrize("redelivered", [(), (0,)])
def test_a_frame_that_ran(redelivered: tuple[int, ...]) -> None:
    """It is acknowledged and nothing else, even if frames as old as it are forgotten."""
    crc = decode(commands(A)).crc
    judgement = judged(
        known((A, crc, Verdict.RUN), forgotten_up_to=50), commands(A), redelivered=redelivered
    )

    assert tags(judgement) == ([], [0])
    assert judgement.burials == []


@pytest.mark.parametrize(
    "verdict",
    [Verdict.TOO_OLD, Verdict.DEAD_LETTERED, Verdict.ABANDONED, Verdict.LISTINGS_REFUSED],
)
@pytest.mark.parametrize("crc", [None, 1])
def test_a_frame_that_ended_with_a_verdict(verdict: Verdict, crc: int | None) -> None:
    """Acknowledged, and a dead letter: whoever ended it may have died before it was one."""
    message = commands(A)
    own = decode(message).crc if crc is None else crc
    judgement = judged(known((A, own, verdict)), message)

    assert tags(judgement) == ([], [0])
    assert judgement.burials == [Burial(message, REASONS[verdict], A)]


def test_another_frame_of_an_id_that_ran() -> None:
    """It is refused by its bytes, once; the one that ran is not touched."""
    crc = decode(commands(A)).crc
    other = commands(A, qty_lots=9)
    remembered = known((A, crc, Verdict.RUN))
    judgement = judged(remembered, other, other)
    (group,) = judgement.groups

    assert tags(judgement) == ([[0]], [1])
    assert group.records == [(identity_of_bytes(other), 0, 0, Verdict.REUSED_ID)]
    assert group.burials == [Burial(other, REASONS[Verdict.REUSED_ID], identity_of_bytes(other))]
    remembered.add(group.table())
    again = judged(remembered, other)
    assert tags(again) == ([], [0])
    assert again.burials == group.burials


@pytest.mark.parametrize(
    ("message", "verdict"),
    [
        (b"no frame", Verdict.UNDECODABLE),
        (commands(A, partition=5), Verdict.WRONG_PARTITION),
        (commands(A), Verdict.REUSED_ID),
    ],
)
def test_bytes_that_ended_before(message: bytes, verdict: Verdict) -> None:
    """A redelivered message is looked for by its bytes first, whatever it is."""
    odd = identity_of_bytes(message)
    judgement = judged(known((odd, 0, verdict)), message, redelivered=(0,))

    assert tags(judgement) == ([], [0])
    assert judgement.burials == [Burial(message, REASONS[verdict], odd)]


def test_the_like_of_what_was_delivered_together() -> None:
    """The same frame or the same bytes once more in one judgement; and another frame of an id."""
    other = commands(A, qty_lots=9)
    judgement = judged(known(), commands(A), commands(A), b"junk", b"junk", other)

    assert tags(judgement) == ([[0], [2], [4]], [1, 3])
    assert [group.records[0][3] for group in judgement.groups] == [
        Verdict.RUN,
        Verdict.UNDECODABLE,
        Verdict.REUSED_ID,
    ]
    assert judgement.burials == []


# --- what was delivered too often ----------------------------------------------------------------


def test_a_frame_that_was_delivered_too_often() -> None:
    """It ends under its own id, and becomes a dead letter: itself, not the frame about it."""
    message = commands(A)
    judgement = judged(known(), condemned(message), message)
    (group,) = judgement.groups

    assert tags(judgement) == ([[0]], [1])
    assert (group.kind, group.frames) == (FrameKind.VERDICT, [])
    assert group.records == [(A, decode(message).crc, 0, Verdict.DEAD_LETTERED)]
    assert group.burials == [Burial(message, REASONS[Verdict.DEAD_LETTERED], A)]


@pytest.mark.parametrize("message", [b"junk", newer(commands(A)), knock_frame(PARTITION)])
@pytest.mark.parametrize("verdict", [Verdict.DEAD_LETTERED, Verdict.UNDECODABLE])
def test_what_has_no_id_and_was_delivered_too_often(message: bytes, verdict: Verdict) -> None:
    """It ends by its bytes, once."""
    judgement = judged(known(), condemned(message, verdict), condemned(message, verdict))
    (group,) = judgement.groups

    assert tags(judgement) == ([[0]], [1])
    assert group.records == [(identity_of_bytes(message), 0, 0, verdict)]
    assert group.burials == [Burial(message, REASONS[verdict], identity_of_bytes(message))]


def test_too_often_and_ended_after_all() -> None:
    """One that ran is left alone; another one of its id is refused; a verdict is not repeated."""
    message, other = commands(A), commands(A, qty_lots=9)
    ran = known((A, decode(message).crc, Verdict.RUN))
    dead = known((A, decode(message).crc, Verdict.DEAD_LETTERED))

    assert tags(judged(ran, condemned(message))) == ([], [0])
    assert judged(ran, condemned(message)).burials == []
    (reused,) = judged(ran, condemned(other)).groups
    assert reused.records == [(identity_of_bytes(other), 0, 0, Verdict.REUSED_ID)]
    again = judged(dead, condemned(message))
    assert tags(again) == ([], [0])
    assert again.burials == [Burial(message, REASONS[Verdict.DEAD_LETTERED], A)]
    by_bytes = judged(known((identity_of_bytes(other), 0, Verdict.REUSED_ID)), condemned(other))
    assert by_bytes.groups == []
    assert by_bytes.burials[0].identity == identity_of_bytes(other)


def test_too_often_and_perhaps_forgotten() -> None:
    """One that may have run shall not be taken for one that did not."""
    (group,) = judged(known(forgotten_up_to=10), condemned(commands(A))).groups

    assert group.records[0][3] == Verdict.TOO_OLD
    assert group.burials == [Burial(commands(A), REASONS[Verdict.TOO_OLD], A)]


@pytest.mark.parametrize(
    "message",
    [
        verdict_frame(PARTITION, Verdict.ABANDONED, commands(A)),
        verdict_frame(PARTITION, Verdict.RUN, commands(A)),
    ],
)
def test_a_verdict_that_nobody_may_ask_for(message: bytes) -> None:
    """It is no frame, and ends nothing but itself."""
    (group,) = judged(known(), message).groups

    assert group.records == [(identity_of_bytes(message), 0, 0, Verdict.UNDECODABLE)]


# --- batches -------------------------------------------------------------------------------------


NEW = {
    "c": commands(at(1)),
    "d": commands(at(2)),
    "e": commands(at(3)),
    "n": named(at(4)),
    "t": tiers(at(5)),
    "u": tiers(at(6)),
    "l": listings_frame(PARTITION, at(7), b"{}"),
    "v": condemned(commands(at(8))),
    "x": b"junk",
    "k": knock_frame(PARTITION),
    "r": commands(at(9)),
}


@pytest.mark.parametrize(
    ("queue", "redelivered", "batches"),
    [
        ("cde", "", "cde"),
        ("cnd", "", "cnd"),
        ("ctd", "", "c t d"),
        ("tu", "", "t u"),
        ("tuc", "", "t u c"),
        ("cld", "", "c l d"),
        ("cvd", "", "c v d"),
        ("cxd", "", "c x d"),
        ("ckd", "", "cd"),
        ("crd", "", "cd"),
        ("crd", "r", "cd"),
        ("cde", "c", "c de"),
        ("cde", "d", "c d e"),
        ("cde", "cd", "c d e"),
        ("cde", "e", "cd e"),
        ("cktd", "t", "c t d"),
        ("", "", ""),
    ],
)
def test_what_may_be_joined(queue: str, redelivered: str, batches: str) -> None:
    """Commands with commands, in the order of the queue; what came before goes alone."""
    remembered = known((at(9), decode(NEW["r"]).crc, Verdict.RUN))
    judgement = judged(
        remembered,
        *(NEW[letter] for letter in queue),
        redelivered=tuple(queue.index(letter) for letter in redelivered),
    )
    found, repeated = tags(judgement)

    assert [[queue[tag] for tag in group] for group in found] == [
        list(group) for group in batches.split()
    ]
    assert [queue[tag] for tag in repeated] == [letter for letter in queue if letter in "kr"]
    for group in judgement.groups:
        assert len(group.records) == len(group.deliveries)
        assert group.named == any(NEW["n"] == delivery.body for delivery in group.deliveries)
        if group.kind == FrameKind.COMMANDS:
            assert [frame.identity for frame in group.frames] == [one[0] for one in group.records]
