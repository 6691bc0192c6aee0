"""submit, tail and dlq on a real broker, with small workers behind the queues."""

import json
import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import Result

from nextrade import COMMAND_DTYPE
from nextrade.domain.protocol.frames import commands_frame, decode, verdict_frame
from nextrade.enums import CommandKind, Side

from ...meta.tree import ROOT
from ...rabbit_here import Look, eventually, target_of
from .exchange_here import POOR

Call = Callable[..., Result]

LINES = "\n".join(
    json.dumps({"account": account, "market": "BTC-USDT"} | said)
    for account, said in (
        (1, {"side": "buy", "price": "100", "quantity": "2", "order_id": 17}),
        (2, {"side": "sell", "price": "99", "quantity": "0.5"}),
        (2, {"side": "sell", "price": "0.01", "quantity": "0.5"}),
        (POOR, {"side": "buy", "price": "100", "quantity": "1"}),
        (1, {"do": "cancel", "order_id": 17}),
        (1, {"do": "cancel", "order_id": 18}),
    )
)


def test_orders_in_words_go_all_the_way(call: Call, workers: list) -> None:
    """What a line asks for has its outcome in the summary, by reason."""
    Path("orders.jsonl").write_text(LINES)
    done = call("submit", "orders.jsonl", "--wait", "--json")
    told = json.loads(done.stdout)

    assert done.exit_code == 0, done.output
    assert told["commands"] == 6
    assert told["refused"] == {"BELOW_MIN_NOTIONAL": 1}
    assert told["confirmed"] == 5
    assert told["accepted"] == 3
    assert told["rejected"] == {"INSUFFICIENT_FUNDS": 1, "UNKNOWN_ORDER": 1}
    assert (told["trades"], told["missing"], told["troubles"]) == (1, 0, [])
    assert workers[0].order_ids[0] == 17
    table = call("submit", "-", "--wait", given=LINES.splitlines()[0] + "\n").stdout
    assert re.search(r"accepted +│ +1 │", table)
    assert re.search(r"until confirmed, p50 / p99 / max +│ +[\d.]+ / [\d.]+ / [\d.]+ ms", table)


@pytest.mark.parametrize("ending", ["npy", "csv"])
def test_generated_files_go_all_the_way(call: Call, workers: list, ending: str) -> None:
    """Every command of a native file is confirmed and has an outcome; ids stay."""
    call("generate", "calm", "--commands", "3000", "--output", f"x.{ending}")
    told = json.loads(
        call("submit", f"x.{ending}", "--wait", "--json", "--frame-size", "100").stdout
    )

    assert told["commands"] == 3000
    assert told["confirmed"] == 3000 - sum(told["refused"].values())
    outcomes = told["accepted"] + sum(told["rejected"].values())
    assert (outcomes, told["missing"]) == (told["confirmed"], 0)
    assert told["frames"] >= told["confirmed"] / 100
    assert max(workers[0].order_ids) < 1_000_000


def test_new_ids_are_given_to_orders_and_their_changes(call: Call, workers: list) -> None:
    """The same file can go in twice: cancels name the orders of their own round."""
    flow = np.zeros(3, COMMAND_DTYPE)
    flow["kind"] = CommandKind.PLACE, CommandKind.CANCEL, CommandKind.CANCEL
    flow["order_id"], flow["owner"], flow["side"] = [5, 5, 6], 1, Side.BUY
    flow["price_ticks"], flow["qty_lots"] = [10_000, 0, 0], [1000, 0, 0]
    np.save("x.npy", flow)
    for _ in range(2):
        told = json.loads(call("submit", "x.npy", "--new-ids", "--wait", "--json").stdout)
        assert told["rejected"] == {"UNKNOWN_ORDER": 1}
        assert told["accepted"] == 2
    placed, canceled, unknown = np.array(workers[0].order_ids).reshape(2, 3).T

    assert placed.tolist() == canceled.tolist()
    assert len(set(placed.tolist())) == 2
    assert min(placed) > 2**50
    assert unknown.tolist() == [6, 6]


def test_a_rate_is_kept(call: Call, workers: list) -> None:  # noqa: ARG001
    """A thousand commands at two thousand a second take half a second."""
    call("generate", "calm", "--commands", "1000", "--output", "x.npy")
    told = json.loads(call("submit", "x.npy", "--rate", "2000", "--json").stdout)

    assert 0.45 < told["seconds"] < 3


def test_submit_says_what_is_wrong(call: Call, look: Look, bus: Any) -> None:
    """A bad line ends it after what stood before it; no queue and no outcome are exit code 1."""
    first = LINES.splitlines()[0]
    done = call("submit", "-", given=f'{first}\n{{"account": 1}}\n')
    assert done.exit_code == 1
    assert "standard input, line 2: market is missing" in done.stderr
    done = call("submit", "-", "--wait", "--patience", "0.3", given=first)
    assert done.exit_code == 1
    assert "1 commands have no outcome yet" in done.stderr
    look.channel.queue_delete(bus.topology.orders(0))
    done = call("submit", "-", given=first)
    assert done.exit_code == 1
    assert "no queue" in done.stderr
    assert "1 commands were not confirmed" in done.stderr
    Path("x").write_bytes(b"zzz")
    assert "the format is not recognised" in call("submit", "x").stderr


def test_tail_tells_events_in_the_units_of_the_market(call: Call, workers: list) -> None:  # noqa: ARG001
    """A readable line each, or JSON; by market, account, trades; from any batch."""
    for line in LINES.splitlines()[:2]:
        assert call("submit", "-", "--wait", given=line).exit_code == 0
    lines = call("tail", "--from", "first", "--no-follow").stdout.splitlines()

    assert re.fullmatch(
        r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z BTC-USDT ACCEPTED  order 17 account 1 buy"
        r" 100.00 x 2.0000 leaves 2.0000",
        lines[0],
    )
    assert "TRADE" in lines[2]
    assert "100.00 x 0.5000 maker 17 account 1" in lines[2]
    assert len(lines) == 3
    trades = call("tail", "--from", "2", "--count", "1", "--trades", "--json").stdout
    told = json.loads(trades)
    assert (told["market"], told["price"], told["quantity"]) == ("BTC-USDT", "100.00", "0.5000")
    assert (told["batch"], told["maker"], told["maker_leaves"]) == (2, 17, "1.5000")
    of_two = call("tail", "--from", "first", "--no-follow", "--account", "2").stdout.splitlines()
    assert len(of_two) == 2
    other = call("tail", "--from", "first", "--no-follow", "--market", "ETH-USDT")
    assert (other.stdout, other.exit_code) == ("", 0)
    assert "no market 'DOGE'" in call("tail", "--market", "DOGE").stderr
    assert call("tail", "--from", "noon").exit_code == 2
    assert call("tail", "--partition", "9").exit_code == 2


def read_stream(broker: Any, stream: str, count: int) -> list[bytes]:
    """The first messages of a stream."""
    from nextrade.platform.rabbit.connection import RabbitConnection
    from nextrade.platform.rabbit.stream import StreamReader

    found: list[bytes] = []
    with (
        RabbitConnection(target_of(broker), "test") as connection,
        StreamReader(connection, stream, "first") as reader,
    ):
        eventually(lambda: found.extend(e.body for e in reader.read(1)) or len(found) >= count)
    return found


def test_tail_drops_repeats_and_says_what_is_missing(
    call: Call, workers: list, look: Look, bus: Any, broker: Any
) -> None:
    """A message that is there twice is told once; a hole and garbage are notes in their place."""
    for line in LINES.splitlines()[:2]:
        assert call("submit", "-", "--wait", given=line).exit_code == 0
    stream = bus.topology.events(0)
    first, second = read_stream(broker, stream, 2)
    assert workers[0].batch == 2
    for body in (second, first, b"garbage"):
        look.channel.basic_publish("", stream, body)
    whole = call("tail", "--from", "first", "--no-follow")
    later = call("tail", "--from", "1", "--no-follow")

    assert len(whole.stdout.splitlines()) == len(later.stdout.splitlines()) == 3
    assert "offset 4 of the stream: 7 bytes that do not begin" in whole.stderr
    look.channel.queue_delete(stream)
    look.declare(stream, x_queue_type="stream")
    look.channel.basic_publish("", stream, second)
    gap = call("tail", "--from", "1", "--no-follow")
    assert "batch 1 from fact 0 on was not in the stream before batch 2" in gap.stderr
    assert len(gap.stdout.splitlines()) == 2


def letter(identity: int, count: int = 1, partition: int = 0) -> bytes:
    """A frame that can be run."""
    commands = np.zeros(count, COMMAND_DTYPE)
    commands["kind"], commands["owner"], commands["order_id"] = CommandKind.PLACE, 1, identity
    commands["price_ticks"], commands["qty_lots"] = 10_000, 1000
    return commands_frame(partition, identity, commands)


def bury(look: Look, queue: str, *bodies: bytes, reason: str = "TOO_OLD") -> None:
    """Put letters into a queue of dead letters."""
    from pika import BasicProperties

    for body in bodies:
        headers = {"reason": reason, "time_ns": 1_700_000_000_000_000_000}
        look.channel.basic_publish(
            "", queue, body, BasicProperties(delivery_mode=2, headers=headers)
        )


def dead(call: Call) -> list[dict[str, Any]]:
    """What dlq list tells."""
    told: list[dict[str, Any]] = json.loads(call("dlq", "list", "--json").stdout)
    return told


def test_dead_letters_are_listed_and_shown(call: Call, look: Look, bus: Any) -> None:
    """Where, why, when, what; bytes of what cannot be read. Looking changes nothing."""
    assert call("dlq", "list").stdout == "no dead letters\n"
    bury(look, bus.topology.dead(0), letter(5, 3), b"garbage")
    bury(look, bus.topology.dead(1), letter(7, 1, 1), reason="DEAD_LETTERED")
    for _ in range(2):
        listed = dead(call)
        assert [(one["partition"], one["position"], one["frame"]) for one in listed] == [
            (0, 1, 5),
            (0, 2, listed[1]["frame"]),
            (1, 1, 7),
        ]
    assert listed[1]["frame"] >> 63 == 1
    assert listed[0]["summary"] == "3 PLACE"
    assert listed[2]["reason"] == "DEAD_LETTERED"
    assert "2023-11-14T22:13:20" in call("dlq", "list", "--partition", "1").stdout
    assert "1 more letters are not shown" in call("dlq", "list", "--limit", "1").stdout
    shown = json.loads(call("dlq", "show", "5").stdout)
    assert shown["commands"][0]["price"] == "100.00"
    assert len(shown["commands"]) == 3
    shown = json.loads(call("dlq", "show", str(listed[1]["frame"])).stdout)
    assert bytes.fromhex(shown["hex"]) == b"garbage"
    assert call("dlq", "show", "99").exit_code == 1
    assert call("dlq", "show").exit_code == 2


def test_a_retried_letter_is_a_new_frame(call: Call, look: Look, bus: Any) -> None:
    """It leaves with its copies once the new frame is in its queue; what cannot be sent stays."""
    verdict = verdict_frame(0, 5, b"x")
    bury(
        look,
        bus.topology.dead(0),
        letter(5),
        b"garbage",
        letter(5),
        verdict,
        letter(6),
        letter(5, 2),
    )
    done = call("dlq", "retry", "5")

    assert done.exit_code == 0, done.output
    frames = [decode(body) for _, body in look.drain(bus.topology.orders(0))]
    assert [len(frame.records) for frame in frames] == [1, 2]
    assert len({5, 6, *(frame.identity for frame in frames)}) == 4
    assert re.search(r"frame 5: sent again as \d+ \(2 copies\)", done.stdout)
    assert [one["bytes"] for one in dead(call)] == [7, len(verdict), len(letter(6))]
    done = call("dlq", "retry", "--all")
    assert done.exit_code == 1
    assert "2 letters cannot be sent again and stay" in done.stderr
    assert [one["bytes"] for one in dead(call)] == [7, len(verdict)]
    assert call("dlq", "retry", "5").exit_code == 1
    assert call("dlq", "retry").exit_code == 2


def test_a_letter_stays_if_its_frame_is_not_confirmed(call: Call, look: Look, bus: Any) -> None:
    """Without a queue to go to nothing is removed."""
    bury(look, bus.topology.dead(0), letter(5))
    look.channel.queue_delete(bus.topology.orders(0))

    assert call("dlq", "retry", "5").exit_code == 1
    assert [one["frame"] for one in dead(call)] == [5]


def test_dropping_asks_and_keeps_a_copy(call: Call, look: Look, bus: Any) -> None:
    """No means no; the file has every byte; a file that is there is not written over."""
    bury(look, bus.topology.dead(0), letter(5), b"garbage", letter(5))
    bury(look, bus.topology.dead(1), letter(6, 1, 1))

    assert call("dlq", "drop", "5", given="n\n").exit_code == 1
    assert len(dead(call)) == 4
    done = call("dlq", "drop", "5", "--export", "kept.jsonl", given="y\n")
    assert "frame 5: removed (2 copies)" in done.stdout
    (line,) = Path("kept.jsonl").read_text().splitlines()
    assert bytes.fromhex(json.loads(line)["hex"]) == letter(5)
    refused = call("dlq", "drop", "--all", "--yes", "--export", "kept.jsonl")
    assert "kept.jsonl: cannot be written: File exists" in refused.stderr
    assert len(dead(call)) == 2
    assert call("dlq", "drop", "--all", "--yes").exit_code == 0
    assert dead(call) == []


def run_all(call: Call, lines: list[str]) -> None:
    """Run commands as they are shown; those that would go on for ever are told to end."""
    for line in lines:
        words, _, given = line.removeprefix("nextrade ").partition(" < ")
        text = Path(given).read_text() if given else ""
        if words == "tail" or (words.startswith("tail") and not re.search("--no-f|--count", words)):
            words += " --no-follow"
        done = call(*shlex.split(words), given=text)
        assert done.exit_code == 0, f"{line}\n{done.output}"


@pytest.mark.parametrize("name", ["submit", "tail", "dlq"])
def test_the_examples_of_the_help_run(
    call: Call,
    look: Look,
    bus: Any,
    workers: list,  # noqa: ARG001
    name: str,
) -> None:
    """Each example works as it stands, where there are such files and letters."""
    Path("orders.jsonl").write_text(LINES)
    call("generate", "calm", "--commands", "1000", "--output", "day.npy")
    bury(look, bus.topology.dead(0), letter(456641087526676481), letter(6))
    groups = [["list"], ["show"], ["retry"], ["drop"]] if name == "dlq" else []
    for words in ([], *groups):
        text = call(name, *words, "--help").output
        lines = re.findall(r"^ +(nextrade .+)$", text, re.MULTILINE)
        assert lines
        if words == ["retry"]:
            bury(look, bus.topology.dead(0), letter(456641087526676481))
        if words == ["show"]:
            bury(look, bus.topology.dead(0), letter(456641087526676481))
        Path("letters.jsonl").unlink(missing_ok=True)
        lines = [f"{line} --yes" if "drop" in line else line for line in lines]
        run_all(call, [line.replace("--yes --yes", "--yes") for line in lines])


def test_the_how_to_page_runs(call: Call, look: Look, bus: Any, workers: list) -> None:  # noqa: ARG001
    """Each command on the page works in its order, with the orders that it shows."""
    page = (ROOT / "docs/how-to/drive-from-a-terminal.md").read_text(encoding="utf-8")
    orders, named = re.findall(r"```json\n(.*?)```", page, re.DOTALL)
    Path("orders.jsonl").write_text(orders)
    Path("named.jsonl").write_text(named)
    bury(look, bus.topology.dead(0), letter(5))
    told = json.loads(call("submit", "orders.jsonl", "--wait", "--json").stdout)
    assert (told["refused"], told["rejected"], told["trades"]) == ({}, {}, 1)
    blocks = re.findall(r"```sh\n(.*?)```", page, re.DOTALL)
    run_all(call, "".join(blocks).splitlines())

    assert len(blocks) == 7
