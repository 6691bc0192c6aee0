"""What travels and is stored: read back as written, and refused when a single bit is wrong."""

import struct
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from nextrade import COMMAND_DTYPE
from nextrade.domain.protocol.entries import Entry, EntryKind, read_entry, write_entry
from nextrade.domain.protocol.frames import (
    NAME_DTYPE,
    TIER_DTYPE,
    FrameKind,
    Verdict,
    commands_frame,
    decode,
    identity_of,
    knock_frame,
    listings_frame,
    named_frame,
    tiers_frame,
    verdict_frame,
)
from nextrade.domain.protocol.messages import (
    CLIENT_ORDER_DTYPE,
    FRAME_ENTRY_DTYPE,
    MOST_FACTS,
    read_message,
    write_messages,
)
from nextrade.dtypes import EVENT_DTYPE, LEVEL_DTYPE
from nextrade.errors import BadFrame, StoreError

LISTINGS = b"some listings"
NAMES = np.array([(0, b"a-1"), (1, b"x" * 36)], NAME_DTYPE)


def records(dtype: np.dtype, count: int) -> Any:
    """Records whose bytes are 1, 2, 3, ..."""
    return np.frombuffer(bytes(k % 251 + 1 for k in range(count * dtype.itemsize)), dtype)


def places(count: int = 2) -> Any:
    """Commands that place orders."""
    commands = records(COMMAND_DTYPE, count).copy()
    commands["kind"] = 1
    return commands


def one_entry(kind: EntryKind) -> Entry:
    """An entry that has something of all that its kind can have."""
    frames = records(FRAME_ENTRY_DTYPE, 2)
    if kind == EntryKind.RUN:
        marks = np.array([1, 0], np.uint8)
        return Entry(kind, 7, 8, frames, records(COMMAND_DTYPE, 2), marks, marks)
    if kind == EntryKind.LISTINGS:
        return Entry(kind, 7, 8, frames[:1], np.frombuffer(LISTINGS, np.uint8))
    if kind == EntryKind.TIERS:
        return Entry(kind, 7, 8, frames, records(TIER_DTYPE, 3))
    return Entry(kind, 7, 8)


FRAMES = {
    "commands": commands_frame(3, 9, records(COMMAND_DTYPE, 2)),
    "tiers": tiers_frame(3, 9, records(TIER_DTYPE, 2)),
    "verdict": verdict_frame(
        3, Verdict.DEAD_LETTERED, commands_frame(3, 9, records(COMMAND_DTYPE, 1))
    ),
    "knock": knock_frame(3),
    "listings": listings_frame(3, 9, LISTINGS),
    "named": named_frame(3, 9, places(), NAMES, 4),
}
(MESSAGE,) = write_messages(
    1,
    2,
    3,
    records(FRAME_ENTRY_DTYPE, 1),
    records(EVENT_DTYPE, 2),
    np.array([0, 1], np.uint32),
    records(LEVEL_DTYPE, 1),
    np.array([1], np.uint32),
)
(NAMED_MESSAGE,) = write_messages(
    1,
    2,
    3,
    records(FRAME_ENTRY_DTYPE, 1),
    records(EVENT_DTYPE, 1),
    np.array([0], np.uint32),
    records(LEVEL_DTYPE, 0),
    np.zeros(0, np.uint32),
    ids=np.array([(7, 8, b"a-1")], CLIENT_ORDER_DTYPE),
)
ALL: list[tuple[str, bytes, Callable[[bytes], Any], type[Exception]]] = [
    *((name, frame, decode, BadFrame) for name, frame in FRAMES.items()),
    ("message", MESSAGE, read_message, BadFrame),
    ("named message", NAMED_MESSAGE, read_message, BadFrame),
    ("entry", write_entry(one_entry(EntryKind.RUN), 5), read_entry, StoreError),
    (
        "named entry",
        write_entry(one_entry(EntryKind.RUN)._replace(names=NAMES), 5),
        read_entry,
        StoreError,
    ),
]


@pytest.mark.parametrize(("name", "text", "read", "error"), ALL, ids=[one[0] for one in ALL])
def test_damage_is_refused(
    name: str, text: bytes, read: Callable[[bytes], Any], error: type[Exception]
) -> None:
    """No truncation, no flipped bit and no byte behind is read as anything."""
    del name
    read(text)
    for length in range(len(text)):
        with pytest.raises(error):
            read(text[:length])
    for bit in range(8 * len(text)):
        damaged = bytearray(text)
        damaged[bit // 8] ^= 1 << bit % 8
        with pytest.raises(error):
            read(bytes(damaged))
    with pytest.raises(error):
        read(text + b"\0")


def test_frames_come_back() -> None:
    """A frame is read as it was written."""
    commands = decode(FRAMES["commands"])
    assert (commands.kind, commands.partition, commands.identity) == (FrameKind.COMMANDS, 3, 9)
    assert commands.records.tobytes() == records(COMMAND_DTYPE, 2).tobytes()
    assert decode(FRAMES["tiers"]).records.tobytes() == records(TIER_DTYPE, 2).tobytes()
    verdict = decode(FRAMES["verdict"])
    assert (verdict.identity, verdict.verdict) == (9, Verdict.DEAD_LETTERED)
    assert decode(verdict.about).identity == 9
    assert decode(FRAMES["knock"]).identity == 0
    listings = decode(FRAMES["listings"])
    assert (listings.kind, listings.identity) == (FrameKind.LISTINGS, 9)
    assert listings.records.tobytes() == LISTINGS


def test_names_come_back() -> None:
    """Client order ids stand behind what they are about; without any, bytes are as before."""
    frame = decode(FRAMES["named"])
    assert (frame.kind, frame.identity, frame.listings) == (FrameKind.NAMED, 9, 4)
    assert frame.records.tobytes() == places().tobytes()
    assert frame.names.tolist() == [(0, b"a-1"), (1, b"x" * 36)]
    entry = one_entry(EntryKind.RUN)
    assert read_entry(write_entry(entry._replace(names=NAMES), 5))[0].names.tobytes() == (
        NAMES.tobytes()
    )
    assert write_entry(entry, 5)[4:6] == b"\1\0"
    assert read_message(NAMED_MESSAGE).ids.tolist() == [(7, 8, b"a-1")]
    assert MESSAGE[4:6] == b"\2\0"
    assert len(read_message(MESSAGE).ids) == 0


def whole(*names: tuple[int, bytes], kind: int = 1) -> bytes:
    """A frame of two commands with these names, whether they may be or not."""
    commands = places()
    commands["kind"] = kind
    body = commands.tobytes() + np.array(list(names), NAME_DTYPE).tobytes()
    head = struct.pack("<4sHHIIQII", b"NXTF", 2, FrameKind.NAMED, 3, 2, 9, len(body), 0)
    return head + struct.pack("<I", zlib.crc32(body, zlib.crc32(head))) + body


@pytest.mark.parametrize(
    "message",
    [
        whole(),
        whole((2, b"a")),
        whole((1, b"a"), (0, b"b")),
        whole((1, b"a"), (1, b"b")),
        whole((0, b"")),
        whole((0, b"a b")),
        whole((0, b"\xc3\xa9")),
        whole((0, b"a\0b")),
        whole((0, b"a"), kind=2),
        whole((0, b"a"))[:-1] + b"",
    ],
)
def test_names_that_may_not_be(message: bytes) -> None:
    """Rows ascend and place orders, texts are legal; else it is no frame."""
    with pytest.raises(BadFrame):
        decode(message)
    assert decode(whole((0, b"a"), (1, b"~!"))).names["text"].tolist() == [b"a", b"~!"]


def test_frames_of_the_version_before_are_read() -> None:
    """They have no version of the listings: it is the first one, for they knew no other."""
    body = records(COMMAND_DTYPE, 2).tobytes()
    head = struct.pack("<4sHHIIQI", b"NXTF", 1, 1, 3, 2, 9, len(body))
    before = decode(head + struct.pack("<I", zlib.crc32(body, zlib.crc32(head))) + body)

    assert (before.partition, before.identity, before.listings) == (3, 9, 1)
    assert before.records.tobytes() == body
    assert decode(commands_frame(3, 9, records(COMMAND_DTYPE, 2), 7)).listings == 7
    assert decode(FRAMES["commands"]).listings == 0


@pytest.mark.parametrize("identity", [0, 1 << 62, 1 << 63])
def test_ids_that_nobody_gives(identity: int) -> None:
    """A frame has an id that a gateway can give."""
    with pytest.raises(BadFrame, match="which no gateway gives"):
        decode(commands_frame(3, identity, records(COMMAND_DTYPE, 1)))


def test_identity_of_bytes() -> None:
    """What is no frame has a number above all frame ids, by its bytes."""
    assert identity_of(FRAMES["commands"]) == 9
    assert identity_of(b"x") >> 63
    assert identity_of(b"x") == identity_of(b"x") != identity_of(b"y")


@pytest.mark.parametrize("kind", list(EntryKind))
def test_entries_come_back(kind: EntryKind) -> None:
    """An entry is read as it was written, with the digest."""
    entry = one_entry(kind)
    again, digest = read_entry(write_entry(entry, 5))
    assert digest == 5
    assert again[:3] == entry[:3]
    for part, other in zip(again[3:], entry[3:], strict=True):
        assert part.tobytes() == other.tobytes()


def test_large_batches_have_several_messages() -> None:
    """Events, then levels, numbered through all messages of the batch; frames in the first."""
    events, levels = records(EVENT_DTYPE, MOST_FACTS + 3), records(LEVEL_DTYPE, MOST_FACTS)
    markets = np.arange(len(events), dtype=np.uint32)
    texts = write_messages(
        1, 2, 3, records(FRAME_ENTRY_DTYPE, 1), events, markets, levels, markets[: len(levels)]
    )
    messages = [read_message(text) for text in texts]

    assert [message.more for message in messages] == [True, True, False]
    assert [len(message.frames) for message in messages] == [1, 0, 0]
    assert [message.first_index for message in messages] == [
        0,
        *(m.next_index for m in messages[:2]),
    ]
    assert b"".join(m.events.tobytes() for m in messages) == events.tobytes()
    assert b"".join(m.levels.tobytes() for m in messages) == levels.tobytes()
    assert len(read_message(write_messages(1, 2, 3, *no_facts())[0]).events) == 0
    (listed,) = write_messages(1, 2, 3, *no_facts(), LISTINGS)
    assert read_message(listed).listings == LISTINGS
    assert read_message(MESSAGE).listings == b""


def no_facts() -> tuple[Any, ...]:
    """A batch in which nothing happened."""
    none = np.zeros(0, np.uint32)
    return np.zeros(0, FRAME_ENTRY_DTYPE), events_of(0), none, np.zeros(0, LEVEL_DTYPE), none


def events_of(count: int) -> Any:
    """So many events."""
    return records(EVENT_DTYPE, count)
