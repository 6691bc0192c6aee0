"""Native CSV, NumPy and Parquet files: what is written reads back, what is wrong is named."""

import gzip
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nextrade import COMMAND_DTYPE, CommandKind, DataError, OrderType, Side, generate
from nextrade.service.replay import open_source, open_writer
from nextrade.service.replay.readers import unpacked
from nextrade.service.replay.readers.source import Commands, Flow

INT64 = st.integers(-(2**63), 2**63 - 1)
ENDINGS = ["csv", "npy", "parquet"]


def read(path: Path, size: int = 65_536, format_name: str | None = None) -> Commands:
    """All commands of a file in one array."""
    source = open_source(path, format_name)
    assert isinstance(source, Flow)
    batches = [batch.commands for batch in source.batches(size)]
    return np.concatenate([np.zeros(0, dtype=COMMAND_DTYPE), *batches])


def garbage(seed: int, count: int) -> Commands:
    """Commands of random bytes: every field takes every kind of value."""
    raw = np.random.default_rng(seed).bytes(count * COMMAND_DTYPE.itemsize)
    commands = np.frombuffer(raw, dtype=COMMAND_DTYPE).copy()
    commands["reserved"] = 0
    return commands


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("commands", [generate("day", 3000, 5), garbage(1, 500)], ids=["day", "x"])
def test_what_is_written_reads_back(tmp_path: Path, ending: str, commands: Commands) -> None:
    """All formats keep every field of every command, garbage included, in any batching."""
    path = tmp_path / f"flow.{ending}"
    with open_writer(path) as writer:
        writer.write(commands[:100])
        writer.write(commands[100:])

    assert read(path).tobytes() == commands.tobytes()
    assert read(path, size=7).tobytes() == commands.tobytes()
    assert [item.name for item in tmp_path.iterdir()] == [path.name]


@given(INT64, st.integers(0, 2**64 - 1), st.integers(0, 2**32 - 1), st.integers(0, 255))
def test_numbers_of_any_length_are_exact(
    tmp_path_factory: pytest.TempPathFactory, price: int, order: int, owner: int, kind: int
) -> None:
    """Text to integer is exact up to the ends of each field's range."""
    path = tmp_path_factory.mktemp("csv") / "one.csv"
    path.write_text(f"kind,price_ticks,order_id,owner\n{kind},{price},{order},{owner}\n")
    command = read(path)[0]

    assert command["kind"] == kind
    assert command["price_ticks"] == price
    assert command["order_id"] == order
    assert command["owner"] == owner


def test_names_numbers_empty_fields_and_missing_columns(tmp_path: Path) -> None:
    """Codes are names or numbers, empty is 0, and columns come in any order or not at all."""
    path = tmp_path / "flow.csv"
    path.write_bytes(
        b"side,kind,order_type,order_id\r\nSELL,PLACE,TAKE_PROFIT_MARKET,7\r\n1,1,,8\r\n,CANCEL,0,7"
    )
    commands = read(path)

    assert commands["kind"].tolist() == [CommandKind.PLACE, CommandKind.PLACE, CommandKind.CANCEL]
    assert commands["side"].tolist() == [Side.SELL, Side.SELL, Side.BUY]
    assert commands["order_type"].tolist() == [OrderType.TAKE_PROFIT_MARKET, 0, 0]
    assert commands["order_id"].tolist() == [7, 8, 7]
    assert not commands["price_ticks"].any()


def test_gzip_and_byte_order_marks_are_taken_off(tmp_path: Path) -> None:
    """A packed file and one saved by a spreadsheet read like the plain one."""
    path = tmp_path / "flow.csv.gz"
    path.write_bytes(gzip.compress(b"\xef\xbb\xbfkind,order_id\nCANCEL,7\n"))

    assert read(path)["order_id"].tolist() == [7]


def test_lines_may_lie_across_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading in blocks of a few bytes gives the same commands and the right line numbers."""
    commands = generate("calm", 60, 2)
    path = tmp_path / "flow.csv"
    with open_writer(path) as writer:
        writer.write(commands)
    plain = unpacked.blocks
    monkeypatch.setattr(
        "nextrade.service.replay.readers.native_csv.blocks", lambda path: plain(path, 11)
    )

    assert read(path).tobytes() == commands.tobytes()
    path.write_text("kind,order_id\n1,1\n1,2\n1,x\n")
    with pytest.raises(DataError, match="line 4: column order_id"):
        read(path)


def test_positions_grow_to_the_length(tmp_path: Path) -> None:
    """Positions never go back and end at the length, so progress can be drawn."""
    for ending in ENDINGS:
        path = tmp_path / f"flow.{ending}"
        with open_writer(path) as writer:
            writer.write(generate("calm", 5000, 1))
        source = open_source(path)
        assert isinstance(source, Flow)
        positions = [batch.position for batch in source.batches(512)]

        assert positions == sorted(positions)
        assert positions[-1] == source.length


BAD_TEXT = {
    "empty file": (b"", "the file is empty"),
    "binary noise": (bytes(range(256)) * 20, "not recognised"),
    "a sentence": (b"hello there\n", "not recognised"),
    "unknown column": (b"kind,order_id,colour\n1,1,1\n", "line 1: unknown column 'colour'"),
    "column twice": (b"kind,order_id,order_id\n1,1,1\n", "line 1: a column is named twice"),
    "too few fields": (b"kind,order_id\n1,1\n1\n1,2\n", "line 3: 1 fields instead of 2"),
    "too many fields": (b"kind,order_id\n1,1,1\n", "line 2: 3 fields instead of 2"),
    "shifted fields": (b"kind,order_id\n1,1,1\n1\n", "line 2: 3 fields instead of 2"),
    "blank line": (b"kind,order_id\n1,1\n\n1,1\n", "line 3: 1 fields instead of 2"),
    "cut short": (b"kind,order_id\n1,1\n1", "line 3: 1 fields instead of 2"),
    "no such kind": (b"kind,order_id\nPLACED,1\n", "line 2: column kind: 'PLACED' is not a code"),
    "kind too large": (b"kind,order_id\n256,1\n", "line 2: column kind: '256' is not a code"),
    "negative kind": (b"kind,order_id\n-1,1\n", "line 2: column kind: '-1' is not a code"),
    "a word": (b"kind,order_id\n1,one\n", "line 2: column order_id: 'one' is not a whole"),
    "a float": (b"kind,price_ticks\n1,1.5\n", "column price_ticks: '1.5' is not a whole number"),
    "an exponent": (b"kind,price_ticks\n1,1e5\n", "column price_ticks: '1e5' is not a whole"),
    "a bare minus": (b"kind,price_ticks\n1,-\n", "column price_ticks: '-' is not a whole"),
    "a blank": (b"kind,price_ticks\n1, 5\n", "column price_ticks: ' 5' is not a whole"),
    "a blank behind": (b"kind,price_ticks\n1,4\n5 ,1\n", "line 3: column kind: '5 ' is not a code"),
    "a tab": (b"kind,price_ticks\n1,\t5\n", "column price_ticks: '\\t5' is not a whole"),
    "a plus": (b"kind,price_ticks\n1,+5\n", "column price_ticks: '+5' is not a whole"),
    "hexadecimal": (b"price_ticks,kind\n0x10,1\n", "column price_ticks: '0x10' is not a whole"),
    "a lone return": (b"kind,price_ticks\n1,1\r1,2\n", "line 2: column price_ticks: '1\\r1'"),
    "blank first line": (b"kind,order_id\n\n1,1\n", "line 2: 1 fields instead of 2"),
    "blank last line": (b"kind,order_id\n1,1\n\r\n", "line 3: 1 fields instead of 2"),
    "int64 + 1": (
        b"kind,price_ticks\n1,9223372036854775808\n",
        "is not a whole number from -9223372036854775808 to 9",
    ),
    "uint64 + 1": (
        b"kind,order_id\n1,18446744073709551616\n",
        "is not a whole number from 0 to 18",
    ),
    "negative id": (b"kind,order_id\n1,-1\n", "'-1' is not a whole number from 0"),
    "a huge number": (b"kind,order_id\n1," + b"9" * 500 + b"\n", "is not a whole number"),
    "not ascii": ("kind,order_id\n1,\u0661\n".encode(), "is not a whole number"),
    "one endless line": (b"kind,order_id\n" + b"1" * 2_000_000, "more than 65536 bytes"),
    "gzip cut short": (gzip.compress(b"kind,order_id\n" * 999)[:60], "ends too early"),
    "gzip damaged": (b"\x1f\x8b\x08\x00" + b"\x07" * 64, "the gzip data is damaged"),
    "npy cut in the header": (b"\x93NUMPY\x01\x00v\x00{'descr'", "header is cut short"),
    "npy with a damaged header": (b"\x93NUMPY\x01\x00\x08\x00{'descr'", "header is damaged"),
    "npy of garbage": (b"\x93NUMPY" + b"\xff" * 200, "not a .npy file"),
}


@pytest.mark.parametrize("case", BAD_TEXT)
def test_bad_files_are_refused_in_words(tmp_path: Path, case: str) -> None:
    """Whatever is in the file, the error is a DataError with file, place and remedy."""
    data, said = BAD_TEXT[case]
    path = tmp_path / "bad"
    path.write_bytes(data)

    with pytest.raises(DataError) as refusal:
        read(path)
    assert str(path) in str(refusal.value)
    assert said in str(refusal.value)
    assert len(str(refusal.value)) < 1500


@given(st.binary(max_size=300), st.sampled_from(["csv", "npy", "parquet"]))
def test_no_bytes_cause_another_exception(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, format_name: str
) -> None:
    """Random bytes are read or refused with a DataError, as whatever they are taken for."""
    path = tmp_path_factory.mktemp("noise") / "noise"
    for start in (b"", b"kind,order_id\n", b"\x93NUMPY\x01\x00", b"PAR1"):
        path.write_bytes(start + data)
        said = str(path)
        try:
            read(path, format_name=format_name)
        except DataError as refusal:
            said = str(refusal)
        assert str(path) in said


@pytest.mark.parametrize(
    ("array", "said"),
    [
        (np.zeros(3), "records of <f8"),
        (np.zeros(3, dtype=COMMAND_DTYPE.newbyteorder(">")), "instead of nextrade.COMMAND_DTYPE"),
        (np.zeros((2, 2), dtype=COMMAND_DTYPE), "2 dimensions"),
        (np.zeros((), dtype=COMMAND_DTYPE), "0 dimensions"),
    ],
)
def test_other_arrays_are_refused(tmp_path: Path, array: np.ndarray, said: str) -> None:
    """A .npy file of anything but flat COMMAND_DTYPE records is refused."""
    path = tmp_path / "other.npy"
    np.save(path, array)

    with pytest.raises(DataError, match=said):
        open_source(path)


def test_arrays_of_objects_are_not_unpickled(tmp_path: Path) -> None:
    """A file that would run code when loaded is refused unread."""
    path = tmp_path / "objects.npy"
    np.save(path, np.array([{}], dtype=object), allow_pickle=True)

    with pytest.raises(DataError, match=r"records of \|O"):
        open_source(path)


def test_a_truncated_array_file_is_refused(tmp_path: Path) -> None:
    """A .npy file that ends before its last record is refused before anything is replayed."""
    path = tmp_path / "cut.npy"
    np.save(path, generate("calm", 100, 1))
    path.write_bytes(path.read_bytes()[:-1])

    with pytest.raises(DataError, match="cut short"):
        open_source(path)


def test_no_file_and_no_format(tmp_path: Path) -> None:
    """A missing file, a folder and a format that does not exist are named."""
    with pytest.raises(DataError, match="cannot be opened: No such file"):
        open_source(tmp_path / "none.csv")
    with pytest.raises(DataError, match="cannot be opened"):
        open_source(tmp_path)
    (tmp_path / "flow.csv").write_text("kind,order_id\n1,1\n")
    with pytest.raises(DataError, match="no format 'xml'; known are csv, npy, parquet"):
        open_source(tmp_path / "flow.csv", "xml")


def test_a_failed_write_leaves_what_was_there(tmp_path: Path) -> None:
    """An output file appears when it is complete and not before."""
    path = tmp_path / "flow.npy"
    path.write_bytes(b"old")

    def fail_half_way() -> None:
        with open_writer(path) as writer:
            writer.write(generate("calm", 10, 1))
            raise RuntimeError("on purpose")

    with pytest.raises(RuntimeError, match="on purpose"):
        fail_half_way()

    assert path.read_bytes() == b"old"
    assert len(list(tmp_path.iterdir())) == 1
    with pytest.raises(DataError, match=r"must end with \.csv, \.npy or \.parquet"):
        open_writer(tmp_path / "flow.txt")
    with pytest.raises(DataError, match="cannot be created"):
        open_writer(tmp_path / "no" / "flow.npy")


def test_an_empty_array_file_is_an_empty_replay(tmp_path: Path) -> None:
    """No commands at all are fine: there is nothing to do."""
    for ending in ENDINGS:
        with open_writer(tmp_path / f"none.{ending}"):
            pass

        assert len(read(tmp_path / f"none.{ending}")) == 0
