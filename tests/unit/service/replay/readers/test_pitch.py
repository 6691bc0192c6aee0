"""Cboe PITCH: lines written by hand become the records worked out by hand."""

from pathlib import Path

import numpy as np
import pytest

from nextrade.errors import DataError
from nextrade.service.replay.messages import Action
from nextrade.service.replay.readers import pitch
from nextrade.service.replay.readers.pitch import FORMAT, Pitch

from .feeds import Read

BUY, SELL, NONE = 0, 1, 2
ADD_ONE = b"S28800011A000000000001B000300SPY   0001424100Y"
ADD_TWO = b"S28800012A00000000000ZS000050DXD   0000499600Y"
EXECUTED = b"S28803240E00000000000100012000004AQ00001"
REDUCED = b"S28803241X000000000001000030"


def lines(*texts: bytes, end: bytes = b"\n") -> bytes:
    """A file of lines."""
    return b"".join(text + end for text in texts)


def row(action: Action, **fields: int) -> dict[str, int]:
    """A record with what most of them have."""
    blank = {"timestamp_ns": 28_800_011 * 10**6, "order_id": 0, "price_ticks": 0, "qty_lots": 0}
    blank |= {"leaves_lots": -1, "place": 1, "market": 0, "side": NONE, "flags": 1}
    return blank | {"action": int(action)} | fields


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (b"28800011A0000000000ZZS001000SSO   0000763800Y", "SSO"),
        (b"28800011d0000000000ZZS001000ZVZZTLNG0000763800YBAML", "ZVZZTLNG"),
    ],
    ids="Ad",
)
def test_new_order(tmp_path: Path, text: bytes, name: str) -> None:
    """A and d carry time, id, side, shares, symbol and a price of four decimals."""
    read = Read(Pitch, tmp_path, lines(text))

    order = {"order_id": 35 * 36 + 35, "price_ticks": 763_800, "qty_lots": 1000}
    assert read.rows == [row(Action.ADD, side=SELL, leaves_lots=1000, **order)]
    assert read.markets == [name]


@pytest.mark.parametrize(
    ("digits", "order_id"),
    [
        (b"000000000000", 0),
        (b"00000000000A", 10),
        (b"000001000000", 2_176_782_336),
        (b"4K27GA00000X", 599_834_127_447_466_017),
        (b"ZZZZZZZZZZZZ", 4_738_381_338_321_616_895),
    ],
)
def test_ids_of_base_36(tmp_path: Path, digits: bytes, order_id: int) -> None:
    """Twelve digits of base 36 are a number below 2**63."""
    read = Read(Pitch, tmp_path, lines(ADD_ONE.replace(b"000000000001", digits)))

    assert read.rows[0]["order_id"] == order_id == int(digits, 36)


def test_execution_and_reduction(tmp_path: Path) -> None:
    """E and X take symbol, side and price from the order and say what is left."""
    read = Read(Pitch, tmp_path, lines(ADD_TWO, ADD_ONE, EXECUTED, REDUCED))

    filled = row(
        Action.FILL,
        timestamp_ns=28_803_240 * 10**6,
        order_id=1,
        price_ticks=1_424_100,
        qty_lots=120,
        leaves_lots=180,
        side=BUY,
        market=1,
        place=3,
    )
    less = {"action": int(Action.REDUCE), "qty_lots": 30, "leaves_lots": 150, "place": 4}
    assert read.rows[2:] == [filled, filled | less | {"timestamp_ns": 28_803_241 * 10**6}]
    assert read.markets == ["DXD", "SPY"]
    assert read.remarks == []


def test_reduction_to_nothing_is_a_cancel(tmp_path: Path) -> None:
    """X that takes all cancels the order."""
    read = Read(Pitch, tmp_path, lines(ADD_ONE, REDUCED.replace(b"000030", b"000300")))

    assert (read.rows[1]["action"], read.rows[1]["qty_lots"]) == (Action.CANCEL, 300)
    assert read.rows[1]["leaves_lots"] == 0


@pytest.mark.parametrize(
    "text",
    [
        b"28800011P000000000001B000100DXD   0000499600000N4AQ00003",
        b"28800011r000000000001B000100DXD     0000499600000N4AQ00003",
    ],
    ids="Pr",
)
def test_execution_of_a_hidden_order(tmp_path: Path, text: bytes) -> None:
    """P and r are HIDDEN with the side as given, and leave an open order of that id alone."""
    read = Read(Pitch, tmp_path, lines(text, ADD_ONE, text, EXECUTED))

    fields = {"order_id": 1, "price_ticks": 499_600, "qty_lots": 100, "side": BUY}
    assert read.rows[0] == row(Action.HIDDEN, **fields)
    assert read.rows[2] == read.rows[0] | {"place": 3}
    assert read.rows[3]["leaves_lots"] == 180


def test_symbol_clear(tmp_path: Path) -> None:
    """s is a CLEAR: the orders of its symbol are gone, and those of others stay."""
    clear = b"28800011sSPY     "
    again = [REDUCED, REDUCED.replace(b"00000000001", b"0000000000Z"), ADD_ONE, REDUCED]
    read = Read(Pitch, tmp_path, lines(ADD_ONE, ADD_TWO, clear, *again))

    actions = [Action.ADD, Action.ADD, Action.CLEAR, Action.REDUCE, Action.ADD, Action.REDUCE]
    assert [found["action"] for found in read.rows] == actions
    assert read.rows[2] == row(Action.CLEAR, place=3)
    assert [found["place"] for found in read.rows[3:]] == [5, 6, 7]
    assert len(read.remarks) == 1
    assert read.remarks[0].startswith("1 lines name an order that is not open")


@pytest.mark.parametrize(
    "text",
    [
        b"28800011HSPY     T0  ",
        b"28800011ISPY     C" + b"0000010000" * 5,
        b"28800011JSPY     C00000100000000000500",
        b"28800011RSPY     B",
    ],
    ids="HIJR",
)
def test_other_lines_are_notes(tmp_path: Path, text: bytes) -> None:
    """What changes no order is a NOTE of its symbol."""
    read = Read(Pitch, tmp_path, lines(text))

    assert read.rows == [row(Action.NOTE)]
    assert read.markets == ["SPY"]


def test_broken_trades_are_left_out(tmp_path: Path) -> None:
    """B names no symbol; it is left out and counted."""
    read = Read(Pitch, tmp_path, lines(b"28800011B00004AQ00001", ADD_ONE))

    assert [found["place"] for found in read.rows] == [2]
    assert read.remarks == ["1 broken trades were left out, for they name no symbol"]


def test_unknown_orders_are_left_out(tmp_path: Path) -> None:
    """E and X of an order that is not open have no symbol: left out, counted, said."""
    read = Read(Pitch, tmp_path, lines(EXECUTED, REDUCED, ADD_TWO))

    assert [found["place"] for found in read.rows] == [3]
    assert read.remarks == [
        "2 lines name an order that is not open; they were left out, for they do not say of"
        " which symbol it was"
    ]


def test_times_that_step_back(tmp_path: Path) -> None:
    """The order of the file is kept."""
    read = Read(Pitch, tmp_path, lines(ADD_TWO, ADD_ONE))

    assert [found["timestamp_ns"] for found in read.rows] == [
        28_800_012_000_000,
        28_800_011_000_000,
    ]


DAY = [
    *(
        ADD_ONE,
        ADD_TWO,
        EXECUTED,
        REDUCED,
        b"S28803242P000000000009B000100SPY   00004996000000000000A1",
    ),
    *(b"S28803243sDXD     ", b"S28803244HSPY     T0  ", REDUCED),
]


def test_with_and_without_the_letter_before_each_line(tmp_path: Path) -> None:
    """The S before a line, the kind of line end, and the last line end make no difference."""
    whole = Read(Pitch, tmp_path, lines(*DAY))
    bare = [text.removeprefix(b"S") for text in DAY]

    assert len(whole.rows) == 8
    assert Read(Pitch, tmp_path, lines(*bare)).rows == whole.rows
    assert Read(Pitch, tmp_path, lines(*DAY, end=b"\r\n")).rows == whole.rows
    assert Read(Pitch, tmp_path, lines(*DAY)[:-1]).rows == whole.rows


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_any_block_size_gives_the_same_messages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, end: bytes
) -> None:
    """Lines cut in two between reads, at every byte there is, are put together again."""
    data = lines(*DAY, end=end)
    whole = Read(Pitch, tmp_path, data)
    monkeypatch.setattr(pitch, "PART_MESSAGES", 3)
    for size in range(1, len(data) + 2):
        monkeypatch.setattr(pitch, "BLOCK_BYTES", size)
        cut = Read(Pitch, tmp_path, data)
        assert np.array_equal(cut.messages, whole.messages), size


FAULTY = {
    "empty line": (b"", "its length is not that of its type"),
    "short": (ADD_ONE[:-1], "its length is not that of its type"),
    "long": (ADD_ONE + b" ", "its length is not that of its type"),
    "short note": (b"28800011RSPY", "its length is not that of its type"),
    "type": (b"28800011QSPY     B", "there is no such message type"),
    "comment": (b"# a comment", "there is no such message type"),
    "time": (ADD_ONE.replace(b"28800011", b"2880001x"), "the time is not one of a day"),
    "late": (ADD_ONE.replace(b"28800011", b"86400000"), "the time is not one of a day"),
    "id": (ADD_ONE.replace(b"000000000001", b"00000000000a"), "the id is not a number of base 36"),
    "execution id": (EXECUTED.replace(b"AQ", b"A "), "the id is not a number of base 36"),
    "side": (ADD_ONE.replace(b"1B", b"1C"), "the side is neither B nor S"),
    "shares": (ADD_ONE.replace(b"000300", b"   300"), "the quantity is not a positive number"),
    "no shares": (REDUCED.replace(b"000030", b"000000"), "the quantity is not a positive number"),
    "symbol": (ADD_ONE.replace(b"SPY   ", b"      "), "the symbol is not a name"),
    "price": (ADD_ONE.replace(b"0001424100", b"00014241.0"), "the price is not a number"),
    "price point": (ADD_ONE.replace(b"0001424100", b":001424100"), "the price is not a number"),
    "display": (ADD_ONE[:-1] + b"\x00", "a character cannot be printed"),
    "joined": (ADD_ONE[:-1] + b"\n", "its length is not that of its type"),
}


@pytest.mark.parametrize("case", FAULTY)
def test_a_line_that_cannot_be(tmp_path: Path, case: str) -> None:
    """The error has the number of the line, what is wrong, and the line; skipped, others stay."""
    text, said = FAULTY[case]
    data = lines(ADD_TWO, text, EXECUTED)

    with pytest.raises(DataError, match=f"line 2: {said}: '"):
        Read(Pitch, tmp_path, data)
    read = Read(Pitch, tmp_path, lines(ADD_TWO, ADD_ONE, text, EXECUTED), skip=True)
    assert [found["place"] for found in read.rows][:2] == [1, 2]
    assert read.rows[-1]["leaves_lots"] == 180
    assert read.bad.count == (2 if case == "joined" else 1)


def test_a_line_without_an_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A line longer than any can be is one bad record, and is not kept in memory."""
    monkeypatch.setattr(pitch, "BLOCK_BYTES", 1000)
    data = lines(ADD_ONE, b"1" * 300_000, EXECUTED)

    with pytest.raises(DataError, match="line 2: more than 65536 bytes"):
        Read(Pitch, tmp_path, data)
    read = Read(Pitch, tmp_path, data, skip=True)
    assert [found["place"] for found in read.rows] == [1, 3]
    assert read.bad.count == 1


def test_recognition() -> None:
    """Three lines are enough, or all of a shorter file; other text is not taken for PITCH."""
    assert FORMAT.recognises(lines(*DAY))
    assert FORMAT.recognises(lines(*DAY, end=b"\r\n"))
    assert FORMAT.recognises(lines(*DAY[:3], b"damaged"))
    assert FORMAT.recognises(ADD_ONE)
    assert FORMAT.recognises(lines(REDUCED[1:]))

    assert not FORMAT.recognises(b"")
    assert not FORMAT.recognises(b"\n" * 100)
    assert not FORMAT.recognises(lines(*DAY[:2], b"damaged"))
    assert not FORMAT.recognises(b"28800011")
    assert not FORMAT.recognises(b"34200.004241176,1,16113575,18,5853300,1\n" * 9)
