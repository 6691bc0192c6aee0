"""Conversion: commands and messages into new files, one market or all, whole or not at all."""

from pathlib import Path

import numpy as np
import pyarrow.parquet
import pytest

from nextrade import CommandKind, DataError, OrderBook, Side, TradingState, generate
from nextrade.service.replay import open_source, open_writer
from nextrade.service.replay.convert import convert, flow_batches
from nextrade.service.replay.messages import Action
from nextrade.service.replay.readers.source import Commands

LOBSTER = """\
34200.000000001,1,10,100,1000000,1
34200.000000002,1,11,50,1000100,-1
34200.000000003,2,9,30,999900,1
34200.000000004,4,11,20,1000100,-1
34200.000000005,5,0,7,1000000,1
34200.000000006,3,10,100,1000000,1
"""
"""Order 9 rested before the file starts; in the end 9 is gone and 11 has 30 left."""


def silent(position: int, length: int, records: int) -> None:
    """Nobody watches."""


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """A small recording."""
    path = tmp_path / "XYZ_message_1.csv"
    path.write_text(LOBSTER)
    return path


def test_a_flow_goes_through_all_formats(tmp_path: Path) -> None:
    """Each format converts to each other without loss; the count is that of the commands."""
    commands = generate("day", 5000, 2)
    with open_writer(tmp_path / "0.npy") as writer:
        writer.write(commands)
    for step, ending in enumerate(("parquet", "csv", "csv", "parquet", "parquet", "npy")):
        source = next(tmp_path.glob(f"{step}.*"))
        assert convert(open_source(source), tmp_path / f"{step + 1}.{ending}", silent) == 5000

    assert np.load(tmp_path / "6.npy").tobytes() == commands.tobytes()


def test_progress_rises_to_the_length(recording: Path, tmp_path: Path) -> None:
    """The watcher sees positions that never fall and end at the length, in both passes."""
    seen: list[tuple[int, int, int]] = []
    convert(open_source(recording), tmp_path / "x.npy", lambda *told: seen.append(told))

    positions = [position for position, _, _ in seen]
    assert positions == sorted(positions)
    assert len(positions) >= 2
    assert seen[-1] == (len(LOBSTER), len(LOBSTER), 7)


def commands_of(path: Path) -> Commands:
    """The flow of a recording in one array."""
    return np.concatenate([batch.commands for batch in flow_batches(open_source(path), 1000)])


def test_a_recording_becomes_commands_that_repeat_it(recording: Path) -> None:
    """The book only collects; orders from before the start come in; nothing trades."""
    commands = commands_of(recording)
    book = OrderBook()
    events = book.process(commands)

    assert commands[0]["kind"] == CommandKind.SET_STATE
    assert commands[0]["state"] == TradingState.AUCTION
    assert len(commands) == 7
    assert commands["kind"][1:].tolist().count(CommandKind.PLACE) == 3
    assert not (events["kind"] == 2).any()
    assert [(o["order_id"], o["side"], o["visible_lots"]) for o in book.orders()] == [
        (11, Side.SELL, 30)
    ]


def test_messages_of_a_recording(recording: Path, tmp_path: Path) -> None:
    """Every line is one message, with the names of actions, sides and market."""
    path = tmp_path / "x.parquet"
    assert convert(open_source(recording), path, silent, kind="messages") == 6
    found = pyarrow.parquet.read_table(path)
    told = pyarrow.parquet.read_metadata(path).metadata

    assert found["action"].to_pylist() == ["ADD", "ADD", "REDUCE", "FILL", "HIDDEN", "CANCEL"]
    assert found["side"].to_pylist() == ["BUY", "SELL", "BUY", "SELL", "BUY", "BUY"]
    assert found["market"].to_pylist() == ["XYZ"] * 6
    assert found["price_ticks"].to_pylist()[:2] == [1000000, 1000100]
    assert found["place"].to_pylist() == [1, 2, 3, 4, 5, 6]
    assert told[b"nextrade.format"] == b"lobster"
    assert told[b"nextrade.price_decimals"] == b"4"
    assert convert(open_source(recording), tmp_path / "x.npy", silent, kind="messages") == 6
    assert np.load(tmp_path / "x.npy")["action"].tolist()[:2] == [Action.ADD, Action.ADD]


def test_one_market_alone(recording: Path, tmp_path: Path) -> None:
    """A recording's markets go by name, a flow's by number; one that is not there is said."""
    flow = tmp_path / "flow.csv"
    flow.write_text("kind,order_id,market\n1,1,0\n1,2,7\n1,3,0\n1,4,7\n")
    target = tmp_path / "x.npy"

    assert convert(open_source(flow), target, silent, market="7") == 2
    assert np.load(target)["order_id"].tolist() == [2, 4]
    assert convert(open_source(recording), target, silent, market="XYZ") == 7
    with pytest.raises(DataError, match=r"message_1.csv: nothing of market 'ABC'.* has XYZ"):
        convert(open_source(recording), target, silent, market="ABC")
    with pytest.raises(DataError, match=r"flow.csv: nothing of market 'XYZ'"):
        convert(open_source(flow), target, silent, market="XYZ")
    assert len(np.load(target)) == 7


def test_what_cannot_be_converted_leaves_nothing(recording: Path, tmp_path: Path) -> None:
    """Damage on the way, an interrupt and a flow without messages leave no file."""
    target = tmp_path / "out.npy"
    recording.write_text(LOBSTER + "34200.1,1,x,100,1000000,1\n")
    with pytest.raises(DataError, match="line 7"):
        convert(open_source(recording), target, silent)
    assert convert(open_source(recording, skip_bad=True), target, silent) == 7
    target.unlink()

    def interrupt(*_: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        convert(open_source(recording, skip_bad=True), target, interrupt)
    flow = tmp_path / "flow.csv"
    flow.write_text("kind,order_id\n1,1\n")
    with pytest.raises(DataError, match="holds commands and no messages"):
        convert(open_source(flow), target, silent, kind="messages")
    assert not list(tmp_path.glob("out*"))
