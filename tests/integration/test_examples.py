"""The example scripts on recorded files, against figures that are counted anew from the events."""

import importlib.util
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

import nextrade
from nextrade import AGENT_IDS, AGENT_OWNER, EventKind

from ..recorded import recorded, recorded_one

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture
def example(monkeypatch: pytest.MonkeyPatch):
    """Import an example by its name, as Python does when it is run."""

    def load(name: str) -> ModuleType:
        monkeypatch.syspath_prepend(str(EXAMPLES))
        spec = importlib.util.spec_from_file_location(f"example_{name}", EXAMPLES / f"{name}.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, spec.name, module)
        spec.loader.exec_module(module)
        return module

    return load


def output_of(name: str, *arguments: str | Path) -> str:
    """What an example prints."""
    done = subprocess.run(
        [sys.executable, EXAMPLES / f"{name}.py", *map(str, arguments)],
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def made_up(folder: Path, *lines: str) -> Path:
    """A LOBSTER message file of some lines without time; each is a second after the one before,
    but a line that begins with ``=`` has the time of the line before it."""
    second, text = 0, []
    for line in lines:
        second += not line.startswith("=")
        text.append(f"{34200 + second}.000000000,{line.lstrip('=')}\n")
    path = folder / "SMALL_message_1.csv"
    path.write_text("".join(text))
    return path


QUEUE = (
    "1,1,10,10000,1",  # two orders wait at the bid: 10 and 5 lots
    "1,2,5,10000,1",
    "1,3,20,10100,-1",  # now there are two sides: the first own order joins behind 15 lots
    "1,4,7,10000,1",
    "3,2,5,10000,1",
    "1,5,1,9000,1",
    "4,1,10,10000,1",  # 10 and 2 more lots are sold: the queue ahead of it is gone, and
    "=4,4,2,10000,1",  # order 4 stood behind it
    "1,6,1,8000,1",
)


def test_paper_order_is_filled_when_an_order_behind_it_is(tmp_path: Path, example) -> None:
    """queue_position.py: the queue ahead falls by a cancel and a fill, then a fill is ours."""
    module = example("queue_position")

    placed = module.on_paper(made_up(tmp_path, *QUEUE), None, 3, 10**12)

    assert (placed[0].price_ticks, placed[0].ahead_lots) == (10000, 15)
    assert placed[0].filled_ns == (34200 + 7) * 10**9


def test_real_order_is_filled_at_the_same_moment(tmp_path: Path, example) -> None:
    """queue_position.py: sent into the matching, the same order trades in the same second."""
    module = example("queue_position")

    placed, fills = module.for_real(made_up(tmp_path, *QUEUE), None, 3, 10**12)

    assert (placed[0].price_ticks, placed[0].ahead_lots) == (10000, 15)
    assert placed[0].filled_ns == (34200 + 7) * 10**9
    assert fills == sum(order.filled_ns is not None for order in placed)


def test_paper_order_that_nothing_reaches_stays_unfilled(tmp_path: Path, example) -> None:
    """queue_position.py: fills of the queue ahead alone, up to its last lot, fill nothing."""
    module = example("queue_position")
    lines = (*QUEUE[:6], "4,1,10,10000,1", "1,6,1,8000,1", "1,7,1,8000,1")

    paper = module.on_paper(made_up(tmp_path, *lines), None, 3, 10**12)
    real, _ = module.for_real(made_up(tmp_path, *lines), None, 3, 10**12)

    assert paper[0].filled_ns is None
    assert real[0].filled_ns is None


SOURCES = [
    ("lobster", "*message_50.csv.gz", 200),
    ("databento", "ESH4*.csv.gz", 200),
    ("b3", "PETR4F*.csv.gz", 40),
]


@pytest.mark.parametrize(("folder", "pattern", "every"), SOURCES)
def test_queue_figures_are_probabilities_and_fills_are_events(
    folder: str,
    pattern: str,
    every: int,
    example,
) -> None:
    """queue_position.py on a recording: each order at most one fill, none before it was placed, no
    share outside 0 to 1, and as many fills for real as the raw events hold."""
    module = example("queue_position")
    path = recorded_one(folder, pattern)
    patience_ns = 30 * 10**9

    paper = module.on_paper(path, None, every, patience_ns)
    joiner = module.Joiner(patience_ns)
    fills = {}
    for step in nextrade.Replay(path, mode="match", agent=joiner, batch=every):
        for event in step.events[step.events["kind"] == EventKind.TRADE]:
            for name in ("order_id", "maker_id"):
                if AGENT_IDS <= event[name] < 2 * AGENT_IDS:
                    fills[int(event[name]) - AGENT_IDS] = int(event["timestamp_ns"])

    told = {order.number: order.filled_ns for order in joiner.placed if order.filled_ns is not None}
    assert told == fills
    assert fills
    for placed in (paper, joiner.placed):
        assert all(o.filled_ns >= o.entered_ns for o in placed if o.filled_ns is not None)
        ends = module.buckets(placed)
        rows = [module.figures(inside) for _, inside in module.classes(placed, ends)]
        assert sum(row[0] for row in rows) == len(placed)
        assert all(0 <= row[2] <= 1 for row in rows if row[0])


def test_printed_fills_are_those_of_the_events() -> None:
    """queue_position.py prints as many fills in its table as it counts in the events."""
    text = output_of("queue_position", recorded_one("b3", "PETR4F*.csv.gz"), "--every", "50")

    (row,) = re.findall(r"^ +all \|.*\| +[\d,]+ +([\d,]+) ", text, re.MULTILINE)
    (counted,) = re.findall(r"fills of the agent in the events: ([\d,]+)", text)
    assert row == counted != "0"


@pytest.mark.parametrize("mode", ["match", "guided"])
@pytest.mark.parametrize(
    ("folder", "pattern", "lots", "batch", "latency_ns"),
    [
        ("lobster", "*message_50.csv.gz", 100, 100, 1_000_000),
        ("databento", "ESH4*.csv.gz", 1, 20, 0),
        ("b3", "PETR4F*.csv.gz", 20, 5, 250_000),
    ],
)
def test_maker_conserves_cash_and_inventory(
    folder: str,
    pattern: str,
    lots: int,
    batch: int,
    latency_ns: int,
    mode: str,
    example,
) -> None:
    """market_maker.py: cash and inventory are sums over its fills, added up from events."""
    module = example("market_maker")
    maker = module.Maker(lots, 3 * lots)
    cash = inventory = made = taken = market = 0
    replay = nextrade.Replay(
        recorded_one(folder, pattern),
        mode=mode,
        agent=maker,
        agent_latency_ns=latency_ns,
        batch=batch,
    )
    bought: dict[int, bool] = {}
    for step in replay:
        for command in step.commands[step.commands["owner"] == AGENT_OWNER]:
            bought.setdefault(int(command["order_id"]), command["side"] == nextrade.Side.BUY)
        for event in step.events[step.events["kind"] == EventKind.TRADE]:
            qty, price = int(event["qty_lots"]), int(event["price_ticks"])
            market += qty
            for name, owner in (("order_id", "owner"), ("maker_id", "maker_owner")):
                if event[owner] != AGENT_OWNER:
                    continue
                sign = 1 if bought[int(event[name])] else -1
                cash -= sign * price * qty
                inventory += sign * qty
                if owner == "owner":
                    taken += qty
                else:
                    made += qty

    assert made
    assert (maker.cash, maker.inventory_lots) == (cash, inventory)
    assert (maker.maker_lots, maker.taker_lots, maker.market_lots) == (made, taken, market)


def test_maker_with_wrong_books_is_found_out(example) -> None:
    """market_maker.py: the check at the end fails where cash is not what the events say."""
    module = example("market_maker")
    outcome = module.make_market(recorded_one("b3", "PETR4F*.csv.gz"), batch=100)
    module.check(outcome)
    outcome.maker.cash += 1

    with pytest.raises(ValueError, match="the events say"):
        module.check(outcome)


def test_replay_example_prints_the_figures_of_the_report() -> None:
    """replay_recording.py prints the counts and checks that a plain replay reports."""
    path = recorded("b3", "PETR4F_2015-11-03_orders.csv.gz")
    text = output_of("replay_recording", path)
    report = nextrade.replay(path)

    assert re.search(rf"^  records +{report.messages:,}$", text, re.MULTILINE)
    assert re.search(rf"^  trades +{report.trades:,}$", text, re.MULTILINE)
    assert re.search(rf"^  lots traded +{report.volume_lots:,}$", text, re.MULTILINE)
    for check in report.checks:
        assert f"{check.right:,} of {check.rows:,}\n" in text.split(check.name, 1)[1]


def test_replay_example_watches_the_busiest_market(example) -> None:
    """replay_recording.py on a file of many markets keeps the one with the most trades, and its
    agreement adds up to that of the whole file."""
    module = example("replay_recording")
    path = recorded("cboe_pitch", "pitch_example_data.gz")
    counts: dict[int, int] = {}
    replay = nextrade.Replay(path)
    for step in replay:
        made = int(np.count_nonzero(step.events["kind"] == EventKind.TRADE))
        counts[step.market] = counts.get(step.market, 0) + made

    day = module.watch(nextrade.Replay(path))

    assert len(day.trades) == max(counts.values())
    assert counts[[*replay.books].index(day.name)] >= 0
    assert day.agreement[-1][1:] == (20, 20) or day.agreement[-1][1:] == (18, 18)
