"""Tables of a replay: what is written reads back in every format, whole or interrupted."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.csv
import pyarrow.parquet
import pytest

from nextrade import DEPTH_DTYPE, DataError, OrderBook, generate
from nextrade.enums import EventKind, Reason, Side
from nextrade.service.replay.messages import MESSAGE_DTYPE, Action
from nextrade.service.replay.writers.layouts import (
    COMMANDS,
    EVENTS,
    EVENTS_DTYPE,
    MESSAGES,
    TRADES,
    TRADES_DTYPE,
    Layout,
    Records,
    depth_layout,
    depth_rows,
    event_rows,
    trade_rows,
)
from nextrade.service.replay.writers.tables import open_table

ENDINGS = ["csv", "parquet", "npy"]
NAMES = ["AAPL", "ES, DEC", 'A "B"', "Ω"]


def noise(layout: Layout, count: int, seed: int, markets: int = 6) -> Records:
    """Records whose every field takes every kind of value."""
    raw = np.random.default_rng(seed).bytes(count * layout.dtype.itemsize)
    records = np.frombuffer(raw, dtype=layout.dtype).copy()
    if "auction" in (layout.dtype.names or ()):
        records["auction"] = records["taker_side"] % 2 == 0
    if layout.named_market:
        records["market"] %= markets
    return records


def words(layout: Layout, name: str, records: Records) -> list[object]:
    """What a column of CSV or Parquet must hold, looked up one by one."""
    values = records[name].tolist()
    if name in layout.codes:
        known = {member.value: member.name for member in layout.codes[name]}
        return [known.get(value, str(value)) for value in values]
    if name == "market" and layout.named_market:
        return [NAMES[value] if value < len(NAMES) else str(value) for value in values]
    return values


def write(path: Path, layout: Layout, records: Records, pieces: int = 5) -> None:
    """Write records in pieces of several sizes."""
    with open_table(path, layout, markets=NAMES, about={"price_decimals": 4}) as table:
        for piece in np.array_split(records, pieces):
            table.write(piece)


LAYOUTS = [TRADES, EVENTS, MESSAGES, COMMANDS, depth_layout(3)]


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.name)
def test_parquet_reads_back(tmp_path: Path, layout: Layout) -> None:
    """Every column has its values; codes and markets are dictionaries of words."""
    records = noise(layout, 1000, 1)
    write(tmp_path / "x.parquet", layout, records)
    found = pyarrow.parquet.read_table(tmp_path / "x.parquet")

    assert found.column_names == list(layout.shown)
    for name in layout.shown:
        assert found[name].to_pylist() == words(layout, name, records)
        is_word = name in layout.codes or (name == "market" and layout.named_market)
        assert pyarrow.types.is_dictionary(found[name].type) == is_word


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.name)
def test_csv_reads_back(tmp_path: Path, layout: Layout) -> None:
    """The lines hold the same words and numbers; names with commas or quotes stand in quotes."""
    records = noise(layout, 1000, 2)
    write(tmp_path / "x.csv", layout, records)
    text = {name: pyarrow.string() for name in layout.shown}
    options = pyarrow.csv.ConvertOptions(column_types=text)
    found = pyarrow.csv.read_csv(tmp_path / "x.csv", convert_options=options)

    assert found.column_names == list(layout.shown)
    for name in layout.shown:
        wanted = [str(value) for value in words(layout, name, records)]
        if layout.dtype[name] == np.bool_:
            wanted = [value.lower() for value in wanted]
        assert found[name].to_pylist() == wanted


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.name)
def test_npy_reads_back(tmp_path: Path, layout: Layout) -> None:
    """numpy.load gives the very records."""
    records = noise(layout, 1000, 3)
    write(tmp_path / "x.npy", layout, records)

    assert np.load(tmp_path / "x.npy").dtype == layout.dtype
    assert np.load(tmp_path / "x.npy").tobytes() == records.tobytes()


def test_plain_names_have_no_quotes(tmp_path: Path) -> None:
    """A file whose names need no quotes has none."""
    trades = np.zeros(2, dtype=TRADES_DTYPE)
    trades["taker_side"] = [Side.SELL, Side.NONE]
    trades["auction"] = [False, True]
    with open_table(tmp_path / "x.csv", TRADES, markets=["AAPL"]) as table:
        table.write(trades)

    assert (tmp_path / "x.csv").read_text().splitlines()[1:] == [
        "0,AAPL,0,0,0,0,SELL,0,0,0,0,0,false,0",
        "0,AAPL,0,0,0,0,NONE,0,0,0,0,0,true,0",
    ]


def test_rows_of_a_book(tmp_path: Path) -> None:
    """Trades and events name the market and the place of the message behind each command."""
    commands = generate("sweep", 4000, 3)
    events = OrderBook().process(commands)
    places = np.arange(len(commands)) * 7 + 1
    trades = trade_rows(events, 2, places)
    rows = event_rows(events, 2, places)
    of_trades = [event for event in events if event["kind"] == EventKind.TRADE]

    assert len(trades) == len(of_trades) > 100
    for row, event in zip(trades.tolist(), of_trades, strict=True):
        told = dict(zip(TRADES_DTYPE.names, row, strict=True))
        assert told["place"] == int(event["command"]) * 7 + 1
        assert told["market"] == 2
        assert told["taker_id"] == event["order_id"]
        assert told["maker_id"] == event["maker_id"]
        assert told["taker_leaves_lots"] == event["leaves_lots"]
        assert told["qty_lots"] == event["qty_lots"]
        assert told["auction"] is False
    assert rows["place"].tolist() == (events["command"].astype(int) * 7 + 1).tolist()
    assert rows["reason"].tolist() == events["reason"].tolist()
    write(tmp_path / "x.parquet", EVENTS, rows)
    reasons = pyarrow.parquet.read_table(tmp_path / "x.parquet")["reason"].to_pylist()
    assert reasons == [Reason(code).name for code in events["reason"].tolist()]


def test_rows_of_depth() -> None:
    """Each level has price, quantity and orders of both sides, best first."""
    levels = np.zeros((2, 2, 2), dtype=DEPTH_DTYPE)
    levels[0, 0, 0] = (100, 5, 1)
    levels[0, 1, 0] = (101, 6, 2)
    levels[0, 1, 1] = (103, 7, 3)
    rows = depth_rows(np.array([10, 20]), np.array([1, 2]), 9, levels)

    assert rows.dtype == depth_layout(2).dtype
    assert rows[0].tolist() == (10, 1, 9, 100, 5, 1, 101, 6, 2, 0, 0, 0, 103, 7, 3)
    assert rows[1].tolist() == (20, 2, 9, *[0] * 12)
    with pytest.raises(ValueError, match="at least 1"):
        depth_layout(0)


def test_what_is_known_of_the_source_is_in_the_metadata(tmp_path: Path) -> None:
    """Parquet files carry decimals, format and the names of the markets, also late ones."""
    markets = ["A"]
    about = {"price_decimals": 4, "qty_decimals": 0, "format": "lobster"}
    with open_table(tmp_path / "x.parquet", TRADES, markets=markets, about=about) as table:
        table.write(np.zeros(3, dtype=TRADES_DTYPE))
        markets.append("B")
    told = pyarrow.parquet.read_metadata(tmp_path / "x.parquet").metadata

    assert told[b"nextrade.table"] == b"trades"
    assert told[b"nextrade.price_decimals"] == b"4"
    assert told[b"nextrade.qty_decimals"] == b"0"
    assert told[b"nextrade.format"] == b"lobster"
    assert json.loads(told[b"nextrade.markets"]) == ["A", "B"]


@pytest.mark.parametrize("ending", ENDINGS)
def test_an_interrupt_keeps_what_was_written(tmp_path: Path, ending: str) -> None:
    """After Ctrl-C the file is complete and readable, and holds the batches until then."""
    path = tmp_path / f"x.{ending}"
    records = noise(MESSAGES, 3000, 4)

    def interrupted(keep: bool) -> None:
        with open_table(path, MESSAGES, markets=NAMES, keep_interrupted=keep) as table:
            table.write(records[:1000])
            table.write(records[1000:])
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted(keep=False)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(KeyboardInterrupt):
        interrupted(keep=True)
    assert [item.name for item in tmp_path.iterdir()] == [path.name]
    assert order_ids(path) == records["order_id"].tolist()


def order_ids(path: Path) -> list[int]:
    """The column order_id of a table of any format."""
    if path.suffix == ".npy":
        return np.load(path)["order_id"].tolist()
    if path.suffix == ".csv":
        return [int(line.split(",")[1]) for line in path.read_text().splitlines()[1:]]
    return pyarrow.parquet.read_table(path)["order_id"].to_pylist()


@pytest.mark.parametrize("ending", ["csv", "npy"])
def test_a_piece_cut_by_an_interrupt_is_taken_off(tmp_path: Path, ending: str) -> None:
    """Where the interrupt came while bytes were written, the file ends with a whole row."""
    path = tmp_path / f"x.{ending}"
    records = noise(MESSAGES, 2000, 5, markets=1)

    def interrupted() -> None:
        with open_table(path, MESSAGES, markets=NAMES) as table:
            table.write(records[:1500])
            table.put(b"12,34")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert order_ids(path) == records["order_id"][:1500].tolist()


@pytest.mark.parametrize("ending", ENDINGS)
def test_another_exception_leaves_what_was_there(tmp_path: Path, ending: str) -> None:
    """After a fault nothing new is left, and a former file stays as it was."""
    path = tmp_path / f"x.{ending}"
    path.write_bytes(b"old")

    def fail() -> None:
        with open_table(path, TRADES) as table:
            table.write(np.zeros(200_000, dtype=TRADES_DTYPE))
            raise RuntimeError("on purpose")

    with pytest.raises(RuntimeError, match="on purpose"):
        fail()
    assert path.read_bytes() == b"old"
    assert [item.name for item in tmp_path.iterdir()] == [path.name]


@contextmanager
def little_room(room: int) -> Iterator[None]:
    """No file may grow beyond ``room`` bytes, as on a disk that is nearly full."""
    resource = pytest.importorskip("resource", reason="limits are a thing of Unix")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("rows", [300, 300_000], ids=["at the end", "on the way"])
@pytest.mark.parametrize("interrupt", [False, True])
def test_a_full_disk_is_said(tmp_path: Path, ending: str, rows: int, interrupt: bool) -> None:
    """A disk without room is a DataError, whenever it shows, and nothing is left half-written."""
    path = tmp_path / f"x.{ending}"
    records = noise(MESSAGES, rows, 6)

    def fill() -> None:
        with open_table(path, MESSAGES) as table:
            table.write(records)
            if interrupt:
                raise KeyboardInterrupt

    with little_room(3000), pytest.raises(DataError, match=r"cannot be written: .*large"):
        fill()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_table_of_nothing(tmp_path: Path, ending: str) -> None:
    """A replay without trades gives a table without rows, not a missing file."""
    path = tmp_path / f"x.{ending}"
    with open_table(path, MESSAGES):
        pass

    assert order_ids(path) == []


def test_what_cannot_be_created(tmp_path: Path) -> None:
    """Another ending and a folder that is not there are named."""
    with pytest.raises(DataError, match=r"must end with \.csv, \.parquet or \.npy"):
        open_table(tmp_path / "x.xls", TRADES)
    for ending in ENDINGS:
        with pytest.raises(DataError, match="cannot be created"):
            open_table(tmp_path / "no" / f"x.{ending}", TRADES)


def test_groups_of_rows_are_of_good_size(tmp_path: Path) -> None:
    """Small batches are gathered, and large ones cut, into groups of up to 131,072 rows."""
    events = np.zeros(10_000, dtype=EVENTS_DTYPE)
    with open_table(tmp_path / "x.parquet", EVENTS) as table:
        for _ in range(30):
            table.write(events)
        table.write(np.zeros(200_000, dtype=EVENTS_DTYPE))
    told = pyarrow.parquet.read_metadata(tmp_path / "x.parquet")
    sizes = [told.row_group(group).num_rows for group in range(told.num_row_groups)]

    assert sum(sizes) == 500_000
    assert max(sizes) <= 131_072
    assert len(sizes) <= 6


def test_markets_may_be_met_on_the_way(tmp_path: Path) -> None:
    """A name is needed when a market's rows are written, not before."""
    markets: list[str] = []
    rows = np.zeros(2, dtype=MESSAGE_DTYPE)
    rows["action"] = Action.ADD
    with open_table(tmp_path / "x.csv", MESSAGES, markets=markets) as table:
        markets.append("FIRST")
        table.write(rows)
        markets.append("SECOND")
        rows["market"] = 1
        table.write(rows)
    text = (tmp_path / "x.csv").read_text()

    assert text.count("FIRST") == text.count("SECOND") == 2
