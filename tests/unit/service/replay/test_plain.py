"""Small steps: a recording walked message by message does what it does in one go."""

from pathlib import Path

import numpy as np
import pytest

import nextrade
from nextrade import CommandKind, EventKind, OrderType, Side

FIELDS = [name for name in nextrade.EVENT_DTYPE.names or () if name != "command"]


def recording(folder: Path, seed: int) -> Path:
    """A LOBSTER message file of what a book did with some generated orders, ids growing."""
    flow = nextrade.generate("sweep", 1500, seed=seed)
    flow = flow[
        np.isin(flow["kind"], (CommandKind.PLACE, CommandKind.CANCEL, CommandKind.REDUCE))
        & (flow["order_type"] == OrderType.LIMIT)
        & (flow["display_lots"] == 0)
    ]
    flow["time_in_force"] = 0
    flow["post_only"] = 0
    lines = []
    kinds = {EventKind.REDUCED: 2, EventKind.CANCELED: 3}
    for command in range(len(flow)):
        flow["timestamp_ns"][command] = (command + 1) * 1000
    events = nextrade.OrderBook().process(flow)
    for command in range(len(flow)):
        new = None
        for event in events[events["command"] == command]:
            kind, order_id, lots = event["kind"], event["order_id"], int(event["qty_lots"])
            side, price = int(event["side"]), event["price_ticks"]
            if kind == EventKind.ACCEPTED:
                new = [order_id, lots, price, side]
            elif kind == EventKind.TRADE and new is not None:
                new[1] -= lots
                maker = f"{event['maker_id']},{lots},{price},{1 if side == Side.SELL else -1}"
                lines.append((command, 4, maker))
            elif kind in kinds:
                rest = f"{order_id},{lots},{price},{1 if side == Side.BUY else -1}"
                lines.append((command, kinds[EventKind(kind)], rest))
        if new is not None and new[1]:
            order_id, lots, price, side = new
            came = f"{order_id},{lots},{price},{1 if side == Side.BUY else -1}"
            lines.append((command, 1, came))
    path = folder / "SMALL_message_1.csv"
    path.write_text("".join(f"0.{1000 * (at + 1):09d},{kind},{rest}\n" for at, kind, rest in lines))
    return path


def walked(path: Path, batch: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, nextrade.Report]:
    """Events, commands and samples of a replay in steps of some size, and its report."""
    replay = nextrade.Replay(path, mode="match", batch=batch, sample_every=3)
    steps = list(replay)
    return (
        np.concatenate([step.events for step in steps]),
        np.concatenate([step.commands for step in steps]),
        np.concatenate([step.samples.depth for step in steps]),
        replay.report(),
    )


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("batch", [1, 2, 7])
def test_small_steps_do_what_large_ones_do(tmp_path: Path, seed: int, batch: int) -> None:
    """Events, commands, samples and checks do not depend on how many messages a step takes."""
    path = recording(tmp_path, seed)

    small, large = walked(path, batch), walked(path, 100_000)

    for name in FIELDS:
        assert (small[0][name] == large[0][name]).all()
    assert (small[1] == large[1]).all()
    assert (small[2] == large[2]).all()
    assert small[3].checks == large[3].checks
    assert small[3].state_hash == large[3].state_hash
    assert small[3].trades > 20


@pytest.mark.parametrize("batch", [1, 100])
def test_trade_that_was_not_recorded_is_counted_in_a_small_step(tmp_path: Path, batch: int) -> None:
    """Where a new order trades in the engine and not in the recording, the fill counts as extra."""
    path = tmp_path / "SMALL_message_1.csv"
    path.write_text(
        "1.0,1,1,5,100,1\n2.0,1,2,5,200,-1\n3.0,4,1,5,100,1\n4.0,1,3,2,200,1\n5.0,1,4,1,50,1\n"
    )

    report = nextrade.Replay(path, batch=batch).run()

    assert report.trades == 2
    (fills,) = [check for check in report.checks if check.name == "fills of the recording"]
    assert (fills.rows, fills.wrong) == (1, 0)
    assert fills.note == "the engine made 1 fills that the recording does not have"
