"""Markets changed on an exchange of real processes, while its workers are killed."""

import json
import os
import re
import shlex
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from nextrade import COMMAND_DTYPE, CommandKind, Side
from nextrade.cli import root
from nextrade.platform.settings import read_settings

from ..rabbit_here import eventually, need_rabbit
from ..redis_here import need_redis


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A folder with nothing in it; whatever was started there is stopped in the end."""
    need_redis()
    need_rabbit()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    yield
    CliRunner().invoke(root, ["stack", "down"])


def called(*words: str, given: str = "") -> Result:
    """Call nextrade."""
    return CliRunner().invoke(root, words, input=given)


def call(*words: str, given: str = "") -> str:
    """Call nextrade, which must succeed."""
    done = called(*words, given=given)
    assert done.exit_code == 0, done.output
    return done.stdout


def send(*lines: dict[str, Any]) -> dict[str, Any]:
    """Send orders in words; how many were accepted, and why others were not."""
    text = "".join(json.dumps(line) + "\n" for line in lines)
    return json.loads(call("submit", "-", "--wait", "--json", given=text))


def order(account: int, side: str, market: str = "BTC-USDT", price: str = "100") -> dict[str, Any]:
    """An order of one whole unit."""
    return {
        "account": account,
        "market": market,
        "side": side,
        "price": price,
        "quantity": "1",
    }


def kill_workers() -> None:
    """Kill -9 all workers; others come by themselves."""
    workers = [one for one in states() if one["name"].startswith("worker")]
    for one in workers:
        os.kill(one["pid"], signal.SIGKILL)
    dead = {one["pid"] for one in workers}
    eventually(lambda: not dead & {one["pid"] for one in states() if one["state"] == "running"}, 30)


def states() -> list[dict[str, Any]]:
    """What runs."""
    return json.loads(called("stack", "status", "--json").stdout)


@pytest.mark.full
def test_markets_change_while_the_exchange_runs() -> None:
    """Fees, new markets, ticks: at one moment for each partition, whoever dies in between."""
    call("stack", "up")
    for account, asset, amount in ((1, "USDT", "1000"), (2, "BTC", "10")):
        call("deposit", str(account), asset, amount, "--reference", f"{asset} {account}")
    send(order(1, "buy"))
    changed = call("market", "set", "BTC-USDT", "--maker", "10%", "--taker", "20%")
    assert changed.startswith("version 2 of the listings holds in every partition\n")
    assert "BTC-USDT fees: 0.1% / 0.2%, 0.02% / 0.05% -> 10% / 20%, 0.02% / 0.05%" in changed
    kill_workers()
    assert send(order(2, "sell"))["trades"] == 1
    # The order came to rest under the fees of before; those of the trade count.
    assert "│       1 │ BTC   │ 0.90000000 │" in call("balances")
    new_market()
    new_tick()
    interrupted()
    assert "ok     listings: version 6" in called("doctor").stdout
    examples()
    call("verify", "--full")


ADD = "market add SOL-USDT --asset SOL:9 --tick 0.01 --lot 0.001 --partition 1"


def examples() -> None:
    """Each example in the help works as it stands; a market can be added once."""
    for words in ([], ["list"], ["show"], ["set"], ["add"], ["finish"]):
        text = call("market", *words, "--help")
        found = re.findall(r"^\s+nextrade (.+)$", text, re.MULTILINE)
        assert found
        for example in found:
            if example == ADD:
                assert "the asset SOL is listed already" in called(*shlex.split(example)).output
            else:
                call(*shlex.split(example))


def new_market() -> None:
    """An asset and a market that nobody knew when the exchange was founded."""
    call(*ADD.split())
    call("deposit", "2", "SOL", "3", "--reference", "sol")
    kill_workers()
    assert send(order(2, "sell", "SOL-USDT"), order(1, "buy", "SOL-USDT"))["trades"] == 1
    assert "│ SOL   │ 1.000000000 │" in call("balances", "1")
    assert "SOL-USDT" in call("market", "list")


def new_tick() -> None:
    """While no order is open; and what was made for the old one does not run."""
    from nextrade.service.gateway.awaiting import Awaiting
    from nextrade.service.gateway.opening import Bus

    bus = Bus(read_settings())
    send(order(1, "buy", price="50"))
    refused = called("market", "set", "BTC-USDT", "--tick", "0.1")
    assert refused.exit_code == 1
    assert "BTC-USDT has open orders" in refused.output
    assert "those of account 1." in refused.output
    assert call("dlq", "list") == "no dead letters\n"
    send({"do": "mass_cancel", "account": 1, "market": "BTC-USDT"})
    assert "tick_size: 0.01 -> 0.1" in call("market", "set", "BTC-USDT", "--tick", "0.1")
    command = np.zeros(1, COMMAND_DTYPE)
    command["kind"], command["side"], command["owner"] = CommandKind.PLACE, Side.SELL, 2
    command["price_ticks"], command["qty_lots"] = 9_000, 9_999
    with bus.feed(bus.listings.partitions, "next") as feed, Awaiting(feed, bus.number) as awaiting:
        with bus.gateway() as gateway:
            assert gateway.listings.version == 3
            submission = gateway.submit(command)
            gateway.relist(Bus(read_settings()).listings)
            assert gateway.listings.version == 5
            told = [ticket.confirmed.result(30).frame for ticket in submission.tickets]
        assert told
        assert outcome_of(awaiting, told[0]) == {"STALE_LISTINGS": 1}
    assert send(order(2, "sell", price="90.1"))["accepted"] == 1
    send({"do": "mass_cancel", "account": 2, "market": "BTC-USDT"})
    history = call("tail", "--from", "first", "--no-follow")
    assert "BTC-USDT ACCEPTED " in history
    assert " buy 50.00 x 1.0000" in history
    assert " sell 90.1 x 1.0000" in history
    assert "partition 1 LISTINGS  version 5" in history


def outcome_of(awaiting: Any, frame: int) -> dict[str, int]:
    """Why the one command of a frame was refused."""
    from nextrade.domain.refusals import name_of

    eventually(lambda: frame in awaiting._ended, 20)
    (outcome,) = awaiting._ended[frame]
    return {name_of(int(outcome.rejected[0]["reason"])): len(outcome.rejected)}


def interrupted() -> None:
    """Who changed the listings died when one partition knew; the next one finishes it."""
    from nextrade.service.listing_change import ListingChange, _Teller
    from nextrade.service.listing_edits import with_market

    with ListingChange(read_settings()) as change:
        current = change.current()
        proposal = with_market(
            replace(current, version=current.version + 1), "ETH-USDT", {"collar": "7%"}
        )
        assert change._record.propose(proposal)
        with change._bus.feed(current.partitions, "next") as feed:
            assert _Teller(change._bus, feed, 30).tell([0], proposal) == {}
    assert "version 6 was left half way" in called("doctor").stdout
    kill_workers()
    assert call("market", "finish") == "version 6 of the listings holds\n"
    assert call("market", "finish") == "nothing is left: version 6 of the listings holds\n"
    assert 'collar = "7%"' in call("market", "show", "ETH-USDT")
