"""Native Parquet files, and all native formats against each other, damaged files included."""

import bz2
import gzip
import lzma
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow
import pyarrow.parquet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from nextrade import COMMAND_DTYPE, CommandKind, DataError, OrderType, Side, generate
from nextrade.service.generate import MODELS
from nextrade.service.replay import open_source, open_writer
from nextrade.service.replay.readers.source import Commands, Flow

ENDINGS = ["csv", "npy", "parquet"]


def opened(path: Path, *, skip_bad: bool = False) -> Flow:
    """A file as a source of commands."""
    source = open_source(path, skip_bad=skip_bad)
    assert isinstance(source, Flow)
    return source


def read(path: Path, size: int = 65_536) -> Commands:
    """All commands of a file in one array."""
    batches = [batch.commands for batch in opened(path).batches(size)]
    return np.concatenate([np.zeros(0, dtype=COMMAND_DTYPE), *batches])


def written(folder: Path, ending: str, commands: Commands) -> Path:
    """A file of commands."""
    path = folder / f"flow.{ending}"
    with open_writer(path) as writer:
        writer.write(commands)
    return path


@pytest.mark.parametrize("model", MODELS)
def test_each_format_gives_the_same_commands(tmp_path: Path, model: str) -> None:
    """From CSV to NumPy to Parquet and back to CSV: the same bytes, of every model."""
    commands = generate(model, 20_000, 11)
    first = written(tmp_path, "csv", commands)
    text = first.read_bytes()
    array = written(tmp_path, "npy", read(first))
    parquet = written(tmp_path, "parquet", read(array))

    assert np.load(array).tobytes() == commands.tobytes()
    assert read(parquet).tobytes() == commands.tobytes()
    assert read(parquet, size=777).tobytes() == commands.tobytes()
    assert written(tmp_path, "csv", read(parquet)).read_bytes() == text


@given(commands=arrays(COMMAND_DTYPE, st.integers(0, 20)))
@settings(max_examples=40)
def test_any_commands_survive_each_format(
    tmp_path_factory: pytest.TempPathFactory, commands: Commands
) -> None:
    """Whatever the fields hold, each format gives it back."""
    commands["reserved"] = 0
    folder = tmp_path_factory.mktemp("any")
    for ending in ENDINGS:
        assert read(written(folder, ending, commands)).tobytes() == commands.tobytes()


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("pack", [gzip.compress, lzma.compress, "zstd"])
def test_packed_files(tmp_path: Path, ending: str, pack: object) -> None:
    """CSV and NumPy files may be packed; a packed Parquet file is refused in words."""
    commands = generate("calm", 3000, 1)
    data = written(tmp_path, ending, commands).read_bytes()
    path = tmp_path / f"flow.{ending}.packed"
    packed = pyarrow.compress(data, "zstd", asbytes=True) if pack == "zstd" else pack(data)  # type: ignore[operator]
    path.write_bytes(packed)
    if ending == "parquet":
        with pytest.raises(DataError, match=r"flow.parquet.packed: .* unpack it first"):
            read(path)
        return

    assert read(path).tobytes() == commands.tobytes()
    path.write_bytes(packed[:-20])
    with pytest.raises(DataError, match="flow"):
        read(path)


def test_an_array_that_is_packed_and_cut_short(tmp_path: Path) -> None:
    """What only shows while a packed file is read is said then."""
    data = written(tmp_path, "npy", generate("calm", 100, 1)).read_bytes()
    path = tmp_path / "flow.npy.gz"
    path.write_bytes(gzip.compress(data[:-81]))

    with pytest.raises(DataError, match="100 records announced, 98 there"):
        read(path, size=30)


def table(**columns: object) -> pyarrow.Table:
    """A table of the given columns."""
    return pyarrow.table(columns)


def stored(folder: Path, found: pyarrow.Table, **how: object) -> Path:
    """A Parquet file of a table."""
    path = folder / "made.parquet"
    pyarrow.parquet.write_table(found, path, **how)
    return path


def test_columns_in_any_order_and_form(tmp_path: Path) -> None:
    """Integers of any width, names as text or dictionary, nulls and missing columns as 0."""
    path = stored(
        tmp_path,
        table(
            side=pyarrow.array(["SELL", None, "1"]),
            order_type=pyarrow.array(["STOP_LIMIT", "LIMIT", None]).dictionary_encode(),
            kind=pyarrow.array([1, 2, None], pyarrow.int64()),
            order_id=pyarrow.array([7, None, 9], pyarrow.int8()),
            price_ticks=pyarrow.array([2**63 - 1, 0, 5], pyarrow.uint64()),
            owner=pyarrow.array([3, 2**32 - 1, 0], pyarrow.int64()),
        ),
    )
    commands = read(path)

    assert commands["side"].tolist() == [Side.SELL, 0, 1]
    assert commands["order_type"].tolist() == [OrderType.STOP_LIMIT, 0, 0]
    assert commands["kind"].tolist() == [CommandKind.PLACE, CommandKind.CANCEL, 0]
    assert commands["order_id"].tolist() == [7, 0, 9]
    assert commands["price_ticks"].tolist() == [2**63 - 1, 0, 5]
    assert commands["owner"].tolist() == [3, 2**32 - 1, 0]
    assert not commands["timestamp_ns"].any()


BAD_TABLES = {
    "unknown column": (table(kind=[1], colour=[1]), "unknown column 'colour'; known are"),
    "no kind": (table(order_id=[1]), "there is no column kind"),
    "prices as floats": (
        table(kind=[1], price_ticks=[1.5]),
        "column price_ticks: double instead of whole numbers",
    ),
    "ids as text": (table(kind=[1], order_id=["1"]), "string instead of whole numbers"),
    "kinds as floats": (table(kind=[1.0]), "column kind: double instead of text or whole numbers"),
    "a list": (table(kind=[[1]]), "instead of text or whole numbers"),
    "no such kind": (table(kind=["PLACE", "PLACED"]), "row 2: column kind: 'PLACED' is not a code"),
    "kind too large": (table(kind=[1, 256]), "row 2: column kind: '256' is not a code"),
    "negative id": (
        table(kind=[1, 1], order_id=[1, -1]),
        "row 2: column order_id: '-1' is not a whole number from 0 to 18446744073709551615",
    ),
    "price too large": (
        table(kind=[1], price_ticks=pyarrow.array([2**63], pyarrow.uint64())),
        "row 1: column price_ticks: '9223372036854775808' is not a whole number",
    ),
}


@pytest.mark.parametrize("case", BAD_TABLES)
def test_bad_tables_are_refused_in_words(tmp_path: Path, case: str) -> None:
    """What is not a table of commands is a DataError with file, place and reason."""
    found, said = BAD_TABLES[case]
    path = stored(tmp_path, found)

    with pytest.raises(DataError) as refusal:
        read(path)
    assert str(path) in str(refusal.value)
    assert said in str(refusal.value)


def test_bad_rows_may_be_skipped(tmp_path: Path) -> None:
    """Skipping leaves out just the bad rows, says how many, and counts anew each time."""
    found = table(kind=["PLACE", "?", "CANCEL", "PLACE"], order_id=[1, -2, 3, -4])
    source = opened(stored(tmp_path, found), skip_bad=True)
    for _ in range(2):
        commands = np.concatenate([batch.commands for batch in source.batches(3)])
        assert commands["order_id"].tolist() == [1, 3]
        assert source.remarks()[0] == "2 records could not be read and were skipped"
        assert "row 2: column kind: '?'" in source.remarks()[1]
        assert "row 4: column order_id: '-4'" in source.remarks()[2]


def test_bad_lines_may_be_skipped(tmp_path: Path) -> None:
    """The same for lines of CSV, whatever is wrong with them."""
    path = tmp_path / "flow.csv"
    path.write_text("kind,order_id\nPLACE,1\nPLACED,2\n\n1\n1, 3\n1,0x4\n1,5,5\nCANCEL,6\n")
    source = opened(path, skip_bad=True)
    for _ in range(2):
        commands = np.concatenate([batch.commands for batch in source.batches(100)])
        assert commands["order_id"].tolist() == [1, 6]
        assert source.remarks()[0] == "6 records could not be read and were skipped"
        assert "line 3: column kind: 'PLACED'" in source.remarks()[1]


def test_a_file_of_one_row_group_is_read_in_pieces(tmp_path: Path) -> None:
    """Batches are as small as asked for, however the file is grouped."""
    commands = generate("calm", 10_000, 1)
    one = pyarrow.parquet.read_table(written(tmp_path, "parquet", commands))
    source = opened(stored(tmp_path, one, row_group_size=1_000_000))
    sizes = [len(batch.commands) for batch in source.batches(999)]

    assert max(sizes) <= 999
    assert sum(sizes) == source.length == 10_000


def damaged(data: bytes, seed: int) -> bytes:
    """A file with some bytes changed, cut out, doubled, or cut off at the end."""
    draw = np.random.default_rng(seed)
    raw: npt.NDArray[np.uint8] = np.frombuffer(data, dtype=np.uint8).copy()
    way = seed % 4
    # The first and last parts hold the headers, which are the most interesting.
    edge = int(draw.integers(1, min(len(raw), 4000)))
    at = [edge, len(raw) - edge, int(draw.integers(len(raw)))][int(draw.integers(3))]
    at = min(at, len(raw) - 1)
    if way == 0:
        raw[at : at + int(draw.integers(1, 9))] = draw.integers(256)
    elif way == 1:
        return data[:at]
    elif way == 2:
        return data[:at] + data[at + int(draw.integers(1, 100)) :]
    else:
        raw[at] ^= np.uint8(1 << int(draw.integers(8)))
    return raw.tobytes()


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("skip_bad", [False, True])
def test_damaged_files_are_commands_or_a_data_error(
    tmp_path: Path, ending: str, skip_bad: bool
) -> None:
    """Whatever happened to a file, it is read, or refused with a DataError that names it."""
    data = written(tmp_path, ending, generate("calm", 300, 2)).read_bytes()
    path = tmp_path / "damaged"
    outcomes = set()
    for seed in range(300):
        path.write_bytes(damaged(data, seed))
        try:
            source = opened(path, skip_bad=skip_bad)
            for batch in source.batches(64):
                assert batch.commands.dtype == COMMAND_DTYPE
            outcomes.add("read")
        except DataError as refusal:
            outcomes.add("refused" if str(path) in str(refusal) else str(refusal))

    assert outcomes == {"read", "refused"}


def test_noise_is_no_parquet_file(tmp_path: Path) -> None:
    """Another packing, and bytes that only begin like Parquet, are said to be damaged."""
    path = tmp_path / "noise.parquet"
    for data in (b"PAR1", b"PAR1" + bytes(100) + b"PAR1", b"PAR1" + bz2.compress(b"x")):
        path.write_bytes(data)
        with pytest.raises(DataError, match=r"noise.parquet: cannot be read as Parquet"):
            read(path)
