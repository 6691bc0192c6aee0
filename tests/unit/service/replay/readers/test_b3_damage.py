"""B3 order files that are damaged, cut, or made up by chance: read or refused, never more."""

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nextrade import DataError
from nextrade.service.replay.messages import Flag
from nextrade.service.replay.readers import b3 as reader
from nextrade.service.replay.readers import unpacked
from nextrade.service.replay.readers.b3 import B3
from nextrade.service.replay.readers.source import BadRecords

from .b3_rows import HEADER, Rows, everything


@pytest.fixture
def rows(tmp_path: Path) -> Rows:
    """An empty file."""
    return Rows(tmp_path / "orders.csv")


BAD = [
    ({"OrderPrice": "1.00001"}, "column OrderPrice: more than 4 decimals"),
    ({"OrderPrice": "-1"}, "column OrderPrice: the price is negative"),
    ({"OrderPrice": "x"}, "column OrderPrice: 'x' is not a plain decimal number"),
    ({"OrderSide": "buy"}, "column OrderSide: 'buy' is not one of Buy, Sell"),
    ({"ExecutionType": "Nowhere"}, "column ExecutionType: 'Nowhere' is not one of New, Update"),
    ({"PriorityTime": "25:00:00"}, "column PriorityTime: '25:00:00' is not a time of day"),
    ({"SessionDate": "2020-02-30"}, "column SessionDate: '2020-02-30' is not a date"),
    ({"SessionDate": "9999-01-01"}, "column SessionDate: the date is too far from 1970"),
    ({"TotalQuantity": "1.5"}, "column TotalQuantity: '1.5' is not a whole number"),
    ({"TotalQuantity": "9" * 18}, "column TotalQuantity: the number is too large"),
    ({"TradedQuantity": "5"}, "column TotalQuantity: nothing is left of the order"),
    ({"TradedQuantity": "6"}, "column TradedQuantity: more has traded than TotalQuantity"),
    ({"TradedQuantity": "-6"}, "column TradedQuantity: the quantity is negative"),
    ({"AgressorIndicator": "3"}, "column AgressorIndicator: not 0, 1 or 2"),
    ({"SequentialOrderNumber": ""}, "column SequentialOrderNumber: the field is empty"),
    ({"SecondaryOrderID": "1"}, "column SecondaryOrderID: not greater than in the row before"),
    ({"Member": "1,1"}, "16 fields instead of 15"),
]


@pytest.mark.parametrize(("fields", "said"), BAD, ids=[said for _, said in BAD])
def test_a_wrong_row_is_named_or_skipped(rows: Rows, fields: dict[str, str], said: str) -> None:
    """Strict reading stops with file, line and reason; otherwise all other rows are read."""
    rows.add("New", 1, "Buy", "1.00", 5).add("New", 2, "Buy", "1.00", 5, **fields)
    rows.add("New", 3, "Buy", "1.00", 5)
    with pytest.raises(DataError) as caught:
        everything(rows.open())
    skipping = rows.open(skip=True)

    assert f"{rows.path}, line 3: {said}" in str(caught.value)
    assert everything(skipping)["order_id"].tolist() == [1, 3]
    assert skipping.remarks()[0] == "1 records could not be read and were skipped"
    assert said in skipping.remarks()[1]


def test_an_unsorted_file_is_told_how_to_be_sorted(rows: Rows) -> None:
    """The orders of each side come in a file of their own and have to be merged."""
    rows.add("New", 1, "Buy", "1.00", 5, SecondaryOrderID="5").add("New", 2, "Buy", "1.00", 5)

    with pytest.raises(DataError, match="the rows must be sorted by SecondaryOrderID"):
        rows.read()


def test_a_header_without_a_needed_column_is_refused(tmp_path: Path) -> None:
    """The error names the column; so it does if a column is there twice."""
    path = tmp_path / "orders.csv"
    path.write_text(HEADER.replace("OrderPrice", "Price") + "\n")
    with pytest.raises(DataError, match="line 1: the header has no column OrderPrice"):
        everything(B3(path, BadRecords()))
    path.write_text(HEADER.replace("Member", "OrderPrice") + "\n")
    with pytest.raises(DataError, match="line 1: more than one column OrderPrice"):
        everything(B3(path, BadRecords()))
    path.write_text(HEADER)
    assert not len(everything(B3(path, BadRecords())))


def _session(choices: Iterable[tuple[int, int, int]], rows: Rows) -> None:
    """A made-up session that says all kinds of things, sensible or not."""
    for kind, order_id, number in choices:
        rows.add(
            ("New", "Update", "Cancel", "Trade", "Trade", "Trade")[kind],
            order_id,
            "Buy" if number & 1 else "Sell",
            "0" if number & 6 == 6 else f"{number}.5",
            200,
            number,
            number % 3,
            InstrumentSymbol="AB"[number & 16 == 16],
        )


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 5), st.integers(1, 5), st.integers(0, 99)), min_size=1),
    st.integers(1, 400),
)
def test_where_blocks_end_makes_no_difference(
    tmp_path_factory: pytest.TempPathFactory, choices: list[tuple[int, int, int]], size: int
) -> None:
    """Any rows give the same messages in blocks of any size, and no part ends inside an event."""
    rows = Rows(tmp_path_factory.mktemp("b3") / "orders.csv")
    _session(choices, rows)
    whole, cut = rows.open(), rows.open()
    expected = everything(whole)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(unpacked, "BLOCK_BYTES", size)
        parts = list(cut.parts())

    assert np.concatenate([part.messages for part in parts]).tobytes() == expected.tobytes()
    assert all(part.messages["flags"][-1] & Flag.LAST for part in parts)
    assert cut.remarks() == whole.remarks()
    assert len(expected) == len(choices)


def test_an_endless_run_of_trades_is_not_held_back(
    rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The trades of a large auction are handed out in pieces of whole trades."""
    rows.add("Cancel", 9, "Buy", "1.00", 5)
    for number in range(1, 51):
        rows.add("Trade", 1, "Sell", "1.00", 100, number)
        rows.add("Trade", 2, "Buy", "1.00", 100, number)
    expected = rows.read()
    monkeypatch.setattr(reader, "MAX_EVENT_ROWS", 10)
    monkeypatch.setattr(unpacked, "BLOCK_BYTES", 300)
    parts = list(rows.open().parts())

    assert len(parts) > 5
    assert np.concatenate([part.messages for part in parts]).tobytes() == expected.tobytes()


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_no_bytes_do_anything_but_be_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """Cut, changed and mixed files end in DataError or in messages, strict or skipping."""
    rows = Rows(tmp_path_factory.mktemp("b3") / "orders.csv")
    _session([(kind, 1 + kind % 3, 7 * kind) for kind in (0, 3, 3, 1, 2, 0, 4, 3)], rows)
    rows.open()
    text = bytearray(rows.path.read_bytes())
    start = data.draw(st.sampled_from([0, len(HEADER) + 1]))
    for _ in range(data.draw(st.integers(0, 6))):
        at = data.draw(st.integers(start, len(text) - 1))
        text[at : at + data.draw(st.integers(0, 4))] = data.draw(
            st.binary(max_size=4) | st.sampled_from([b",", b"\n", b"\r\n", b'"', b"-", b"9", b"."])
        )
    rows.path.write_bytes(bytes(text[: data.draw(st.integers(0, len(text)))]))
    for skip in (False, True):
        recording = B3(rows.path, BadRecords(skip))
        with suppress(DataError):
            messages = everything(recording)
            assert len(messages) <= text.count(b"\n") + 1
            assert (messages["qty_lots"] >= 0).all()
        recording.remarks()
