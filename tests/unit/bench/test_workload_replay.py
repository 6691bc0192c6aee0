"""The benchmark's flows end in the book exactly as they must, whatever the batch size."""

import os
from hashlib import blake2b
from pathlib import Path

import numpy as np
import pytest

from nextrade import CommandKind, OrderBook

pytest.importorskip("bench", reason="bench/ is not part of this checkout")

from bench import replay
from bench.packages import LIMIT, rows_of
from bench.workloads import (
    NAMES,
    RECORD_DTYPE,
    NoCompiler,
    Op,
    Workload,
    expected,
    from_folder,
    generated,
    native,
    run_ladder,
    to_commands,
)

SIZE = 20_000
DIGESTS = {
    "realistic": "c853e01b9222deee",
    "realistic_reduce": "d79926f7b3282edd",
    "deep_match": "9023c8b5f09c1ea5",
    "burst_insert": "877034cba7fa2bcf",
}


@pytest.fixture(autouse=True)
def compiled(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Build the ladder in a folder of the test run, or skip where there is no C compiler."""
    folder = tmp_path_factory.getbasetemp() / "bench-cache"
    monkeypatch.setenv("NEXTRADE_BENCH_CACHE", str(folder))
    try:
        native.library()
    except NoCompiler as problem:
        pytest.skip(str(problem))


@pytest.mark.parametrize("batch", [1, 100, 4096])
@pytest.mark.parametrize("name", NAMES)
def test_own_flow_ends_as_the_ladder_says(name: str, batch: int) -> None:
    """Trades, their order, quantities and the orders left: told by the book's events alone."""
    workload = generated(name, SIZE)

    found = replay.outcome(replay.events_of(OrderBook(), workload.commands, batch))

    assert workload.expectation.differences(found) == []


@pytest.mark.parametrize("name", NAMES)
def test_own_flow_is_frozen(name: str) -> None:
    """The same seed gives the same bytes on every machine, so that figures stay comparable."""
    records = generated(name, SIZE, seed=7).records

    assert blake2b(records.tobytes(), digest_size=8).hexdigest() == DIGESTS[name]


def test_seed_changes_the_flow() -> None:
    """Another seed gives another flow."""
    first, second = (generated("realistic", SIZE, seed=seed) for seed in (1, 2))

    assert first.expectation.checksum != second.expectation.checksum


def test_flow_has_the_stated_mix() -> None:
    """The realistic flow is about 54% limit, 40% cancel, 5% replace and 1% market orders."""
    ops = np.bincount(generated("realistic", 400_000).records["op"]) / 400_000

    assert ops[[Op.LIMIT, Op.CANCEL, Op.REPLACE, Op.MARKET]] == pytest.approx(
        [0.54, 0.40, 0.05, 0.01], abs=0.04
    )


def test_ladder_counts_its_trades() -> None:
    """The timed pass makes the same trades as the audited one."""
    workload = generated("deep_match", SIZE)

    run = run_ladder(workload.records)

    assert run.trades == workload.expectation.trades
    assert run.traded_lots == workload.expectation.traded_qty


def test_shrinking_replace_becomes_cancel_and_place() -> None:
    """A replace that would keep its place in the book is told so that it loses it, as it must."""
    records = np.zeros(5, dtype=RECORD_DTYPE)
    records["order_id"] = [1, 2, 1, 2, 3]
    records["price_ticks"], records["qty_lots"] = 100, [10, 10, 5, 11, 5]
    records["op"] = [Op.LIMIT, Op.LIMIT, Op.REPLACE, Op.REPLACE, Op.LIMIT]
    records["side"][4] = 1
    workload = Workload("by hand", records, expected(records))

    commands = to_commands(records)
    found = replay.outcome(replay.events_of(OrderBook(), commands))

    assert commands["kind"].tolist() == [
        CommandKind.PLACE,
        CommandKind.PLACE,
        CommandKind.CANCEL,
        CommandKind.PLACE,
        CommandKind.REPLACE,
        CommandKind.PLACE,
    ]
    assert workload.expectation.differences(found) == []


def test_rows_tell_a_replace_in_two_steps() -> None:
    """Packages without a replace get a cancel and a new order."""
    workload = generated("realistic", SIZE)
    replaces = int((workload.records["op"] == Op.REPLACE).sum())

    rows = rows_of(workload)

    assert len(rows) == SIZE + replaces
    assert {row[0] for row in rows} == {LIMIT, int(Op.MARKET), int(Op.CANCEL)}


@pytest.mark.parametrize("name", NAMES)
def test_external_workload_ends_as_its_file_says(name: str) -> None:
    """Files of an external folder (NEXTRADE_YARDSTICK) end in book and ladder as they state."""
    folder = os.environ.get("NEXTRADE_YARDSTICK")
    if not folder:
        pytest.skip("NEXTRADE_YARDSTICK names no folder of external workloads")
    workload = from_folder(Path(folder), name)

    found = replay.outcome(replay.events_of(OrderBook(), workload.commands))

    assert workload.expectation.differences(expected(workload.records)) == []
    assert workload.expectation.differences(found) == []
