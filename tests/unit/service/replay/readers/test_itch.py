"""TotalView-ITCH 5.0: hand-made messages become the records worked out by hand."""

import struct
from pathlib import Path

import numpy as np
import pytest

from nextrade.errors import DataError
from nextrade.service.replay.messages import Action, Flag
from nextrade.service.replay.readers import itch
from nextrade.service.replay.readers.itch import FORMAT, Itch

from .feeds import (
    Read,
    add,
    crossed,
    deleted,
    directory,
    executed,
    executed_at,
    framed,
    heading,
    hidden,
    reduced,
    replaced,
)

BUY, SELL, NONE = 0, 1, 2


def row(action: Action, **fields: int) -> dict[str, int]:
    """A record with what most of them have."""
    blank = {"timestamp_ns": 0, "order_id": 0, "price_ticks": 0, "qty_lots": 0, "leaves_lots": -1}
    blank |= {"place": 2, "market": 0, "side": NONE, "flags": int(Flag.LAST)}
    return blank | {"action": int(action)} | fields


def last_rows(folder: Path, *messages: bytes, count: int = 1) -> list[dict[str, int]]:
    """The last records of a file."""
    return Read(Itch, folder, framed(*messages)).rows[-count:]


@pytest.mark.parametrize("maker", [b"", b"VIRT"], ids="AF")
def test_new_order(tmp_path: Path, maker: bytes) -> None:
    """A and F carry time, id, side, shares and a price of four decimals."""
    message = add(0x0102030405060708, "S", 1000, 1_234_500, time_ns=34_200_000_000_001, maker=maker)
    read = Read(Itch, tmp_path, framed(message))

    assert read.rows == [
        row(
            Action.ADD,
            timestamp_ns=34_200_000_000_001,
            order_id=72_623_859_790_382_856,
            price_ticks=1_234_500,
            qty_lots=1000,
            leaves_lots=1000,
            side=SELL,
        )
    ]
    assert read.markets == ["ALC"]


def test_bytes_written_out() -> None:
    """The builders of these tests agree with a message written out byte by byte."""
    plain = bytes.fromhex(
        "0024 41 0002 0000 1c5220 27c055 0000000000000000 42 000003e8 424f422020202020 0000cfaf"
    )

    assert framed(add(0, "B", 1000, 53167, locate=2, time_ns=0x1C522027C055, stock=b"BOB")) == plain


def test_execution_at_the_price_of_the_order(tmp_path: Path) -> None:
    """E takes side and price from the order and says what is left."""
    (filled,) = last_rows(tmp_path, add(4, "B", 300, 99), executed(4, 100, time_ns=12))

    # 38 bytes of the first frame, then the length.
    assert filled == row(
        Action.FILL,
        timestamp_ns=12,
        order_id=4,
        price_ticks=99,
        qty_lots=100,
        leaves_lots=200,
        side=BUY,
        place=40,
    )


@pytest.mark.parametrize(("printable", "flags"), [("Y", 1), ("N", 1 | 64)])
def test_execution_at_another_price(tmp_path: Path, printable: str, flags: int) -> None:
    """C has its own price; what is not printed was made by a cross."""
    (filled,) = last_rows(tmp_path, add(4, "B", 300, 99), executed_at(4, 300, printable, 98))

    assert (filled["price_ticks"], filled["qty_lots"], filled["leaves_lots"]) == (98, 300, 0)
    assert filled["flags"] == flags


def test_reduction_and_deletion(tmp_path: Path) -> None:
    """X takes shares off; D says what the order still had."""
    orders = [add(4, "S", 300, 99), reduced(4, 120), executed(4, 30), deleted(4)]
    less, _, gone = last_rows(tmp_path, *orders, count=3)

    assert (less["action"], less["qty_lots"], less["leaves_lots"]) == (Action.REDUCE, 120, 180)
    assert (gone["action"], gone["qty_lots"], gone["leaves_lots"]) == (Action.CANCEL, 150, 0)
    assert (less["side"], less["price_ticks"]) == (gone["side"], gone["price_ticks"]) == (SELL, 99)


def test_reduction_to_nothing_is_a_cancel(tmp_path: Path) -> None:
    """X that takes all leaves no order behind, so the next message finds none."""
    read = Read(Itch, tmp_path, framed(add(4, "S", 300, 99), reduced(4, 300), deleted(4)))

    assert [found["action"] for found in read.rows] == [Action.ADD, Action.CANCEL, Action.CANCEL]
    assert read.rows[1]["qty_lots"] == 300
    assert read.remarks == ["1 messages name an order that is not open"]


def test_replacement_is_one_event(tmp_path: Path) -> None:
    """U is a CANCEL and an ADD of the same side and market; the second ends the event."""
    orders = [directory(7, b"BOB"), add(4, "S", 300, 99, locate=8), executed(4, 100, locate=8)]
    old, new = last_rows(tmp_path, *orders, replaced(4, 5, 50, 97, locate=8), count=2)

    assert old == row(
        Action.CANCEL,
        timestamp_ns=9,
        order_id=4,
        price_ticks=99,
        qty_lots=200,
        leaves_lots=0,
        side=SELL,
        market=1,
        flags=0,
        place=2 + 41 + 38 + 33,
    )
    assert new == old | {
        "action": int(Action.ADD),
        "order_id": 5,
        "price_ticks": 97,
        "qty_lots": 50,
        "leaves_lots": 50,
        "flags": 1,
    }


def test_chain_of_replacements(tmp_path: Path) -> None:
    """Each U hands side and market on, also where the id stays, and earlier ids are gone."""
    chain = [add(1, "S", 10, 50), *(replaced(k, k + 1, 10 + k, 50 + k) for k in range(1, 20))]
    messages = [*chain, replaced(20, 20, 5, 49), executed(20, 2), deleted(19)]
    filled, unknown = last_rows(tmp_path, *messages, count=2)

    assert (filled["side"], filled["price_ticks"], filled["leaves_lots"]) == (SELL, 49, 3)
    assert (unknown["side"], unknown["price_ticks"]) == (NONE, 0)


def test_hidden_execution_and_cross(tmp_path: Path) -> None:
    """P is HIDDEN with the side as given; Q is a NOTE with price and shares."""
    first, second = last_rows(tmp_path, hidden("S", 30, 88), crossed(5_000_000_000, 77), count=2)

    common = {"side": SELL, "price_ticks": 88, "qty_lots": 30, "timestamp_ns": 10}
    assert first == row(Action.HIDDEN, **common)
    assert second == row(
        Action.NOTE, timestamp_ns=11, price_ticks=77, qty_lots=5_000_000_000, place=2 + 46
    )


NOTES = {"H": 11, "Y": 11, "L": 15, "K": 11, "J": 11, "h": 11, "I": 28, "N": 11, "O": 11, "B": 0}
LENGTHS = {"H": 25, "Y": 20, "L": 26, "K": 28, "J": 35, "h": 21, "I": 50, "N": 20, "O": 48, "B": 19}


@pytest.mark.parametrize("kind", NOTES)
def test_other_messages_are_notes(tmp_path: Path, kind: str) -> None:
    """What changes no order is a NOTE of its market, whose name it tells if it has one."""
    body = bytearray(b" " * LENGTHS[kind])
    body[:11] = heading(kind, 9, 3)
    if NOTES[kind]:
        body[NOTES[kind] : NOTES[kind] + 8] = b"CHAR    "
    read = Read(Itch, tmp_path, framed(bytes(body)))

    assert read.rows == [row(Action.NOTE, timestamp_ns=3)]
    assert read.markets == ["CHAR" if NOTES[kind] else "locate 9"]


@pytest.mark.parametrize(("kind", "length"), [("S", 12), ("V", 35), ("W", 12)])
def test_messages_about_no_stock_are_left_out(tmp_path: Path, kind: str, length: int) -> None:
    """S, V and W name no market, so nothing is made of them."""
    message = heading(kind, 0, 3).ljust(length, b" ")
    read = Read(Itch, tmp_path, framed(message, add(1, "B", 1, 1)))

    assert [found["action"] for found in read.rows] == [Action.ADD]


def test_markets_in_order_of_appearance(tmp_path: Path) -> None:
    """Locate codes become positions as they are met; a name that comes later is entered then."""
    messages = [executed(1, 1, locate=500), directory(3, b"XYZ"), add(2, "B", 1, 1, locate=500)]
    read = Read(Itch, tmp_path, framed(*messages))

    assert [found["market"] for found in read.rows] == [0, 1, 0]
    assert read.markets == ["ALC", "XYZ"]


@pytest.mark.parametrize(
    ("message", "action", "lots"),
    [
        (executed(9, 5, locate=2), Action.FILL, 5),
        (reduced(9, 5, locate=2), Action.REDUCE, 5),
        (deleted(9, locate=2), Action.CANCEL, 0),
    ],
)
def test_unknown_order(tmp_path: Path, message: bytes, action: Action, lots: int) -> None:
    """A reference to no open order keeps action, id and market, and is counted."""
    read = Read(Itch, tmp_path, framed(directory(1, b"ALC"), directory(2, b"BOB"), message))
    found = read.rows[-1]

    assert (found["action"], found["order_id"], found["qty_lots"]) == (action, 9, lots)
    assert (found["side"], found["price_ticks"], found["market"]) == (NONE, 0, 1)
    assert found["leaves_lots"] == -1
    assert read.remarks == ["1 messages name an order that is not open"]


def test_replacement_of_an_unknown_order(tmp_path: Path) -> None:
    """Both halves have no side, and the new order is as unknown as the old one."""
    read = Read(Itch, tmp_path, framed(replaced(1, 2, 5, 10), deleted(2)))

    assert [found["side"] for found in read.rows] == [NONE] * 3
    assert [found["order_id"] for found in read.rows] == [1, 2, 2]
    assert read.remarks == ["2 messages name an order that is not open"]


def test_more_than_was_left(tmp_path: Path) -> None:
    """An execution larger than the order says what it said; the order is out, and it is counted."""
    read = Read(Itch, tmp_path, framed(add(1, "B", 5, 10), executed(1, 9), deleted(1)))

    assert (read.rows[1]["qty_lots"], read.rows[1]["leaves_lots"]) == (9, 0)
    assert read.remarks == [
        "1 messages name an order that is not open",
        "1 messages take more from an order than was left of it",
    ]


def test_reused_id(tmp_path: Path) -> None:
    """An id that left may come again; one that is open belongs to the newer order from then on."""
    again = [add(1, "B", 5, 10), deleted(1), add(1, "S", 6, 11), add(1, "B", 7, 12), executed(1, 1)]
    read = Read(Itch, tmp_path, framed(*again))

    assert read.rows[-1] == row(
        Action.FILL,
        timestamp_ns=6,
        order_id=1,
        price_ticks=12,
        qty_lots=1,
        leaves_lots=6,
        side=BUY,
        place=2 + 3 * 38 + 21,
    )
    assert read.remarks == ["1 orders came while one with the same id was open"]


DAY = [
    heading("S", 0, 1) + b"O",
    directory(1, b"ALC"),
    add(1, "B", 100, 10),
    add(2, "S", 200, 12, maker=b"VIRT"),
    executed(1, 40),
    replaced(2, 3, 150, 11),
    reduced(3, 50),
    executed_at(3, 100, "N", 9),
    hidden("B", 10, 10),
    crossed(1, 10),
    deleted(1),
]


def test_both_framings_say_the_same(tmp_path: Path) -> None:
    """Lengths that are 0 are taken from the types; two zero bytes may close the file."""
    announced = Read(Itch, tmp_path, framed(*DAY))
    silent = Read(Itch, tmp_path, framed(*DAY, announced=False) + b"\0\0")

    assert len(announced.rows) == 11
    assert announced.rows == silent.rows


def test_any_block_size_gives_the_same_messages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Messages cut in two between reads, at every byte there is, are put together again."""
    whole = Read(Itch, tmp_path, framed(*DAY))
    monkeypatch.setattr(itch, "PART_MESSAGES", 3)
    for size in range(1, len(framed(*DAY)) + 2):
        monkeypatch.setattr(itch, "BLOCK_BYTES", size)
        cut = Read(Itch, tmp_path, framed(*DAY))
        assert np.array_equal(cut.messages, whole.messages), size


FAULTY = {
    "side": (add(1, "B", 1, 1).replace(b"B", b"Q", 1), "the side is neither B nor S"),
    "shares": (add(1, "B", 0, 1), "the quantity is not a positive number"),
    "execution": (executed(1, 0), "the quantity is not a positive number"),
    "time": (add(1, "B", 1, 1, time_ns=86_400 * 10**9), "the time is not one of a day"),
    "symbol": (add(1, "B", 1, 1, stock=b"A\x1b"), "the symbol is not a name"),
    "two days": (add(1, "B", 1, 1, stock=b"BOB"), "belongs to another symbol already"),
}


@pytest.mark.parametrize("case", FAULTY)
def test_a_message_that_cannot_be(tmp_path: Path, case: str) -> None:
    """The error has the byte and what is wrong; skipped, the rest of the file is read."""
    message, said = FAULTY[case]
    data = framed(directory(1, b"ALC"), message, add(8, "B", 1, 1))
    if case == "symbol":
        data = data[41:]

    with pytest.raises(DataError, match=said) as raised:
        Read(Itch, tmp_path, data)
    assert f"byte {2 if case == 'symbol' else 43}: message of type" in str(raised.value)

    read = Read(Itch, tmp_path, data, skip=True)
    assert read.rows[-1]["order_id"] == 8
    assert read.bad.count == 1


def test_announced_length_that_contradicts_the_type(tmp_path: Path) -> None:
    """The error names both lengths; skipped, the announced one leads to the next message."""
    wrong = (41).to_bytes(2, "big") + add(1, "B", 1, 1) + b"extra"
    data = framed(directory(1, b"ALC")) + wrong + framed(deleted(1))

    with pytest.raises(DataError, match=r"byte 43: .*the length says 41 bytes, the type has 36"):
        Read(Itch, tmp_path, data)
    read = Read(Itch, tmp_path, data, skip=True)
    assert [found["action"] for found in read.rows] == [Action.NOTE, Action.CANCEL]
    assert read.bad.count == 1


def test_unknown_type(tmp_path: Path) -> None:
    """A type that does not exist is an error; skipped, its length leads over it."""
    data = framed(directory(1, b"ALC"), b"z" * 30, deleted(1))

    with pytest.raises(DataError, match="byte 43: message of type 'z': there is no such message"):
        Read(Itch, tmp_path, data)
    assert [found["place"] for found in Read(Itch, tmp_path, data, skip=True).rows] == [2, 75]


def test_garbage_is_left_behind_where_three_messages_follow(tmp_path: Path) -> None:
    """Without a length to go by, reading goes on where three messages stand in a row."""
    garbage = b"\xff\xffgarbage without an end" * 20
    data = framed(add(1, "B", 9, 1)) + garbage + framed(executed(1, 2), executed(1, 3), deleted(1))
    read = Read(Itch, tmp_path, data, skip=True)

    assert [found["qty_lots"] for found in read.rows] == [9, 2, 3, 4]
    assert read.bad.count == 1
    assert read.rows[1]["place"] == 38 + len(garbage) + 2


def test_garbage_to_the_end(tmp_path: Path) -> None:
    """Where no message follows, the file is over."""
    read = Read(Itch, tmp_path, framed(add(1, "B", 9, 1)) + b"\xfe" * 200_000, skip=True)

    assert len(read.rows) == 1
    assert read.bad.count == 1


@pytest.mark.parametrize("kept", [1, 2, 3, 20, 37])
def test_a_file_that_ends_inside_a_message(tmp_path: Path, kept: int) -> None:
    """The error names the byte at which the incomplete message begins."""
    data = framed(add(1, "B", 9, 1)) * 2

    with pytest.raises(DataError, match="byte 38: the file ends inside a message"):
        Read(Itch, tmp_path, data[: 38 + kept])


def test_recognition() -> None:
    """Three messages are enough, or all of a shorter file; other bytes are not taken for ITCH."""
    day = framed(*DAY)
    assert FORMAT.recognises(day)
    assert FORMAT.recognises(framed(*DAY, announced=False))
    assert FORMAT.recognises(framed(*DAY[:3]) + b"damaged")
    assert FORMAT.recognises(framed(DAY[0]))
    assert FORMAT.recognises(framed(DAY[0]) + b"\0\0")

    assert not FORMAT.recognises(b"")
    assert not FORMAT.recognises(b"\0" * 4096)
    assert not FORMAT.recognises(framed(*DAY[:2]) + b"damaged")
    assert not FORMAT.recognises(framed(heading("S", 0, 1 << 47) + b"O"))
    assert not FORMAT.recognises(b"".join(DAY))
    assert not FORMAT.recognises(b"kind,order_id,side\n" * 20)
    assert not FORMAT.recognises(struct.pack(">H", 11) + DAY[0] + day)
