"""docs/reference/wire-formats.md says of each byte what the code writes there."""

import re
import struct
import zlib

import numpy as np

from nextrade import COMMAND_DTYPE, EVENT_DTYPE, LEVEL_DTYPE, CommandKind
from nextrade.domain.protocol.changes import write_change_message
from nextrade.domain.protocol.frames import (
    NAME_DTYPE,
    TIER_DTYPE,
    FrameKind,
    Verdict,
    commands_frame,
    named_frame,
    tiers_frame,
)
from nextrade.domain.protocol.ids import EPOCH_MS, Ids, scheduled_id
from nextrade.domain.protocol.messages import (
    CLIENT_ORDER_DTYPE,
    FRAME_ENTRY_DTYPE,
    write_messages,
)

from .tree import ROOT

PAGE = (ROOT / "docs/reference/wire-formats.md").read_text(encoding="utf-8")
FORMATS = {"u16": "<H", "u32": "<I", "u64": "<Q", "i64": "<q", "text": "36s"}


def table(after: str) -> list[list[str]]:
    """The rows of the first table behind a text."""
    lines = PAGE.split(after, 1)[1].split("| --- ", 1)[1].split("\n")[1:]
    rows = []
    for line in lines:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in line.strip("|").split("|")])
    return rows


def fields(after: str, message: bytes) -> list[object]:
    """What a message has in each field of a table; the table must leave no gap."""
    found: list[object] = []
    at = 0
    for offset, size, kind, _ in table(after):
        assert int(offset) == at
        if not size:
            break
        part = message[at : at + int(size)]
        found.append(part if kind == "bytes" else struct.unpack(FORMATS[kind], part)[0])
        at += int(size)
    return found


def test_a_frame_is_as_the_page_says() -> None:
    """Every field at its offset, and the body behind them."""
    commands = np.zeros(3, COMMAND_DTYPE)
    commands["owner"] = 7, 8, 9
    frame = commands_frame(5, 123 << 21, commands, 9)
    crc = zlib.crc32(frame[:32] + frame[36:])

    assert fields("## A frame", frame) == [b"NXTF", 2, 1, 5, 3, 123 << 21, 240, 9, crc]
    assert frame[36:] == commands.tobytes()
    assert COMMAND_DTYPE.itemsize == 80
    tiers = np.array([(9, 2)], TIER_DTYPE)
    frame = tiers_frame(5, 6, tiers)
    assert fields("## A frame", frame)[2] == 2
    assert struct.unpack("<II", frame[36:]) == (9, 2)
    for kind in FrameKind:
        assert re.search(rf"kind:.* {kind.value} \w+", PAGE)


def test_an_event_message_is_as_the_page_says() -> None:
    """Every field at its offset, then the five parts with records of the sizes that it says."""
    frames = np.array([(11, 22, 33, 4, 0)], FRAME_ENTRY_DTYPE)
    events, levels = np.zeros(2, EVENT_DTYPE), np.zeros(3, LEVEL_DTYPE)
    events["order_id"], levels["qty_lots"] = [51, 52], 9
    own, of_levels = np.array([1, 2], np.uint32), np.array([3, 4, 5], np.uint32)
    (message,) = write_messages(6, 7, 8, frames, events, own, levels, of_levels)
    crc = zlib.crc32(message[:44] + message[48:])

    said = fields("## An event message", message)
    assert said == [b"NXTE", 2, 0, 6, 7, 8, 0, 1, 2, 3, crc]
    parts = [frames, events, own, levels, of_levels]
    sizes = [int(row[1].split()[0]) for row in table("One after the other:")]
    assert sizes == [part.itemsize for part in parts]
    assert message[48:] == b"".join(part.tobytes() for part in parts)
    assert fields("A frame entry:", frames.tobytes()) == [11, 22, 33, 4, 0]
    nothing = frames[:0], events[:0], own[:0], levels[:0], of_levels[:0]
    (message,) = write_messages(6, 7, 8, *nothing, b"listings")
    assert fields("## An event message", message)[2] == 2
    assert message[48:] == b"listings"
    many = np.zeros(5000, EVENT_DTYPE)
    no_levels = np.zeros(0, LEVEL_DTYPE), np.zeros(0, np.uint32)
    first, second = write_messages(6, 7, 8, frames, many, np.zeros(5000, np.uint32), *no_levels)
    assert fields("## An event message", first)[2] == 1
    assert fields("## An event message", second)[6:8] == [4096, 0]
    (message,) = write_messages(6, 7, 8, *nothing, goes_on=True)
    assert fields("## An event message", message)[2] == 4
    ids = np.array([(51, 7, b"a-1")], CLIENT_ORDER_DTYPE)
    (message,) = write_messages(6, 7, 8, *nothing, ids=ids)
    assert fields("## An event message", message)[1:3] == [3, 8]
    shown = "first message of a batch only. Each has 48 bytes:"
    assert fields(shown, message[48:]) == [51, 7, b"a-1".ljust(36, b"\0")]


def test_client_order_ids_are_as_the_page_says() -> None:
    """They stand behind the commands of their frame, one record each."""
    commands = np.zeros(2, COMMAND_DTYPE)
    commands["kind"] = CommandKind.PLACE
    frame = named_frame(5, 123 << 21, commands, np.array([(1, b"a-1")], NAME_DTYPE), 9)

    assert fields("## A frame", frame)[2:5] == [5, 5, 2]
    assert frame[36:196] == commands.tobytes()
    assert fields("some of them:", frame[196:]) == [1, b"a-1".ljust(36, b"\0")]


def test_ids_are_as_the_page_says() -> None:
    """Milliseconds, gateway and counter stand in the bits of the table."""
    shown = []
    for bits, _ in table("### Frame ids"):
        high, low = (int(bit) for bit in bits.split(" to "))
        shown.append((low, (1 << (high - low + 1)) - 1))
    (_, second) = Ids(77, lambda: EPOCH_MS + 1234).take(2)

    assert [second >> low & mask for low, mask in shown] == [1234, 77, 1]
    due = scheduled_id(EPOCH_MS + 99, 5, 6)
    assert [due >> low & mask for low, mask in shown] == [99, 1023, 5 << 4 | 6]


def test_verdicts_are_those_of_the_code() -> None:
    """Each number with its name."""
    rows = [(int(number), name) for number, name, _ in table("## Verdicts")]

    assert rows == [(verdict.value, verdict.name) for verdict in Verdict]


def test_a_message_of_changes_is_as_the_page_says() -> None:
    """Its head, and a change behind its length."""
    change = struct.pack("<HBIIqI", 6, 1, 7, 2, 5, 0) + b"wire-1"
    message = write_change_message(3, 40, 123, [change])
    crc = zlib.crc32(message[:32] + message[36:])

    assert fields("## A message of changes", message) == [b"NXTC", 1, 0, 3, 40, 123, 1, crc]
    assert message[36:] == struct.pack("<H", len(change)) + change
    assert [int(row[0]) for row in table("A change:")] == [0, 2, 3, 7, 11, 19, 23]
