"""Bitstamp logs that are damaged, cut, or made up by chance: read or refused, never more."""

from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from nextrade import DataError
from nextrade.service.replay.readers import unpacked

from .bitstamp_log import Log, everything

GOOD = '{"price": "1.00", "amount": "1", "id": 2, "order_type": 0}'
TRADE = '{"price": 1.0, "amount": 2.0}'


@pytest.fixture
def log(tmp_path: Path) -> Log:
    """An empty log."""
    return Log(tmp_path / "btcusd.log")


BAD = [
    (f"x order_created {GOOD}", "'x' is not a time in milliseconds since 1970"),
    (f"-5 order_created {GOOD}", "'-5' is not a time"),
    (f"{'9' * 13} order_created {GOOD}", f"'{'9' * 13}' is not a time"),
    (f" 5 order_created {GOOD}", "'' is not a time"),
    ("", "'' is not a time"),
    ("5", "'' is not one of order_created, order_changed, order_deleted, trade, order_book"),
    (f"5 order_placed {GOOD}", "'order_placed' is not one of"),
    (f"5  order_created {GOOD}", "'' is not one of"),
    ("5 order_created", "no JSON object from { to }"),
    ("5 order_created ", "no JSON object from { to }"),
    ("5 order_created {", "no JSON object from { to }"),
    (f"5 order_created {GOOD[:-9]}", "no JSON object from { to }"),
    (f"5 order_created {GOOD} {GOOD}", "more than one JSON object"),
    ("5 order_created {}", "id is missing"),
    (f"5 order_created {GOOD.replace('price', 'cost')}", "price is missing"),
    (f"5 order_created {GOOD.replace(':', '=')}", "Missing a colon"),
    (f"5 order_created {GOOD.replace('1.00', '1.001')}", "'1.001' has more than 2 decimals"),
    (f"5 order_created {GOOD.replace('1.00', 'x')}", "'x' is not a valid decimal128"),
    (f"5 order_created {GOOD.replace('1.00', '-1.00')}", "price is negative or too large"),
    (f"5 order_created {GOOD.replace('1.00', '9' * 20)}", "price is negative or too large"),
    (f"5 order_created {GOOD.replace('1.00', '9' * 40)}", "99' is too large"),
    (f"5 order_created {GOOD.replace(': 2', ': 2.5')}", "couldn"),
    (f"5 order_created {GOOD.replace(': 0', ': 2')}", "order_type is neither 0 nor 1"),
    ('5 order_created {"price": "1", "amount": "0", "id": 2, "order_type": 0}', "order of nothing"),
    ('5 trade {"price": 1.0}', "amount is missing"),
    ('5 trade {"price": 1.0, "amount": -2.0}', "amount is negative or too large"),
    ('5 trade {"price": 1.0, "amount": 1e300}', "1e300"),
    ('5 order_book {"bids": [["1.00"]], "asks": []}', "bids: a level is not a price and an"),
    ('5 order_book {"bids": [["1.00", null]], "asks": []}', "bids: a price or an amount is"),
    ('5 order_book {"bids": [], "asks": [["1.001", "1"]]}', "asks: a price with more than 2"),
    ('5 order_book {"bids": [], "asks": [null]}', "asks: a level is not a price and an amount"),
    ('5 order_book {"bids": []}', "asks is missing"),
    ('5 order_book {"bids": 5, "asks": []}', "bids"),
]


@pytest.mark.parametrize(("line", "said"), BAD, ids=[line[:60] for line, _ in BAD])
def test_a_wrong_line_is_named_or_skipped(log: Log, line: str, said: str) -> None:
    """Strict reading stops with file, line and reason; otherwise all other lines are read."""
    log.order("created", 1, "1.00", "1").trade("1", "1").book([("1.00", "1")], [])
    log.lines.append(line)
    log.order("created", 3, "1.00", "1").trade("2", "1").book([], [])
    with pytest.raises(DataError) as caught:
        everything(log.open())
    skipping = log.open(skip=True)
    parts = list(skipping.parts())

    assert f"{log.path}, line 4: " in str(caught.value)
    assert said in str(caught.value)
    assert np.concatenate([part.messages["place"] for part in parts]).tolist() == [1, 2, 5, 6]
    assert [part.depth.after.tolist() for part in parts if part.depth] == [[2, 4]]
    assert skipping.remarks()[0] == "1 records could not be read and were skipped"
    assert said in skipping.remarks()[1]


def test_many_wrong_lines_are_told_in_the_order_of_the_file(log: Log) -> None:
    """Whatever is wrong with each; the first is the one that strict reading names."""
    for _ in range(50):
        log.line("order_created", GOOD.replace("1.00", "x")).line("nothing", GOOD)
        log.line("trade", "{}").line("order_book", "{}").trade("1", "1")
    skipping = log.open(skip=True)

    assert everything(skipping)["place"].tolist() == list(range(5, 251, 5))
    assert skipping.remarks()[0].startswith("200 records")
    assert [text.split("line ")[1].split(":")[0] for text in skipping.remarks()[1:]] == [
        "1",
        "2",
        "3",
        "4",
        "6",
    ]
    with pytest.raises(DataError, match="line 1: "):
        everything(log.open())


def test_json_nested_without_end_is_no_danger(log: Log) -> None:
    """Neither in a field that is needed nor in one that is passed over."""
    for text in ("[" * 60_000, '{"a":' * 12_000):
        log.line("order_created", GOOD[:-1] + ', "x": ' + text + "}")
        log.line("order_book", '{"bids": ' + text + "}")
    skipping = log.open(skip=True)

    assert not len(everything(skipping))
    assert skipping.remarks()[0].startswith("4 records")


def _session(choices: list[tuple[int, int, int]], log: Log) -> None:
    """A made-up log that says all kinds of things, sensible or not."""
    for kind, order_id, number in choices:
        if kind == 4:
            log.trade(f"{number}.5", f"{number}")
        elif kind == 5:
            log.book([(f"{number}.00", "1")] * (number % 3), [])
        else:
            what = ("created", "changed", "deleted", "deleted")[kind]
            amount = f"0.{number % 5}"
            log.order(what, order_id, f"{number % 2}.5", "0.5" if kind == 0 else amount)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 5), st.integers(1, 6), st.integers(0, 99)), min_size=1),
    st.integers(1, 400),
)
@example(choices=[(5, 1, 1), (5, 1, 2)], size=1)  # books before any message, a block each
def test_where_blocks_end_makes_no_difference(
    tmp_path_factory: pytest.TempPathFactory, choices: list[tuple[int, int, int]], size: int
) -> None:
    """Any lines give the same messages and levels in blocks of any size."""
    log = Log(tmp_path_factory.mktemp("bitstamp") / "btcusd.log")
    _session(choices, log)
    whole, cut = log.open(), log.open()
    (expected,) = whole.parts()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(unpacked, "BLOCK_BYTES", size)
        parts = list(cut.parts())
    before = np.cumsum([0, *(len(part.messages) for part in parts)])
    after = [
        int(count + first)
        for part, first in zip(parts, before, strict=False)
        if part.depth is not None
        for count in part.depth.after
    ]

    assert np.concatenate([p.messages for p in parts]).tobytes() == expected.messages.tobytes()
    assert after == ([] if expected.depth is None else expected.depth.after.tolist())
    assert cut.remarks() == whole.remarks()


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_no_bytes_do_anything_but_be_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """Cut, changed and mixed files end in DataError or in messages, strict or skipping."""
    log = Log(tmp_path_factory.mktemp("bitstamp") / "btcusd.log")
    _session([(kind, 1 + kind % 3, 7 * kind) for kind in (0, 5, 0, 1, 4, 2, 3, 5)], log)
    log.open()
    text = bytearray(log.path.read_bytes())
    for _ in range(data.draw(st.integers(0, 6))):
        at = data.draw(st.integers(0, len(text) - 1))
        text[at : at + data.draw(st.integers(0, 4))] = data.draw(
            st.binary(max_size=4)
            | st.sampled_from([b"{", b"}", b"[", b"]", b'"', b"\n", b" ", b"-", b"9", b"e9", b"\\"])
        )
    text = text[: data.draw(st.integers(1, len(text)))]
    log.path.write_bytes(bytes(text))
    for skip in (False, True):
        try:
            recording = log.open(skip=skip, written=True)
        except DataError:  # it begins as a packed file does, and is opened as one
            continue
        with suppress(DataError):
            messages = everything(recording)
            assert len(messages) <= 2 * (text.count(b"\n") + 1)
            assert (messages["qty_lots"] >= 0).all()
            assert (np.diff(messages["place"]) >= 0).all()
        recording.remarks()
