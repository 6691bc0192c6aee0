"""The same commands through one exchange over a ledger in memory and one over Redis servers."""

from collections.abc import Iterator
from typing import Any

import pytest

from nextrade import Exchange
from nextrade.enums import OrderType
from nextrade.errors import NexTradeError
from nextrade.service.ledger import Ledger
from tests.model.compiled import command_array
from tests.model.exchange_embedded import ACCOUNTS, for_all_markets, tier_of, with_ids
from tests.model.exchange_faces import real_listings
from tests.model.exchange_settings import ASSETS, SETTINGS, Setting
from tests.model.exchange_streams import Batch, ExchangeStream, Money, Step
from tests.redis_here import running

MODERATE = [setting for setting in SETTINGS if setting.name != "huge"]
"""A bucket takes in no more than its share of what a ledger does, so nobody is rich here."""


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list]:
    """Three servers for all tests of this module."""
    with running(tmp_path_factory.mktemp("redis")) as servers:
        yield servers


def founded(shards: list) -> Any:
    """An empty ledger on the servers."""
    from nextrade.service.ledger.redis import RedisLedger

    for server in shards:
        with server.client() as client:
            client.flushall()
    return RedisLedger.found({server.folder.name: server.address for server in shards}, buckets=7)


def opened(setting: Setting, ledger: Ledger | None) -> Exchange:
    """An exchange in which accounts pay different fees."""
    exchange = Exchange(real_listings(setting.listings), ledger=ledger, clock=lambda: 1)
    for account in ACCOUNTS:
        exchange.set_tier(account, tier_of(account, setting.listings))
    return exchange


def did(exchange: Exchange, step: Step) -> tuple[object, ...]:
    """What a step gave: the bytes of its events, or the answer of a call, or its error."""
    if isinstance(step, Batch):
        commands = command_array(list(step.commands))
        done = exchange.submit(commands, client_order_ids=step.texts or None)
        return done.events.tobytes(), done.markets.tobytes()
    assert isinstance(step, Money)
    try:
        if step.call in ("capture", "refund"):
            return (getattr(exchange, step.call)(*step.arguments),)
        reference, *accounts, asset, amount = step.arguments
        call = {
            "credit": exchange.deposit,
            "hold": exchange.hold_withdrawal,
            "transfer": exchange.transfer,
        }[step.call]
        return (call(*accounts, ASSETS[int(str(asset))], str(amount), reference=reference),)
    except (NexTradeError, ValueError) as error:
        return (type(error).__name__,)


def agree(shards: list, seed: int, commands: int, *, ids: bool = False) -> set[int]:
    """Fail at the first byte that differs; return the types of orders that came."""
    from nextrade.service.ledger.redis.scanning import all_balances

    setting = MODERATE[seed % len(MODERATE)]
    steps = for_all_markets(list(ExchangeStream(seed, setting).steps(commands)))
    if ids:
        steps = with_ids(steps, seed)
    ledger = founded(shards)
    memory, redis = opened(setting, None), opened(setting, ledger)
    types: set[int] = set()
    try:
        for number, step in enumerate(steps):
            if not isinstance(step, Batch | Money):
                continue
            where = f"seed {seed}, step {number} of {setting.name!r}: {step}"
            assert did(memory, step) == did(redis, step), where
            own = memory.ledger.all_balances()  # type: ignore[attr-defined]
            theirs = all_balances(ledger.shards)
            assert own.tobytes() == theirs.tobytes(), where
            assert memory.ledger.totals().tobytes() == ledger.totals().tobytes(), where
            if isinstance(step, Batch):
                types |= {int(command.order_type) for command in step.commands}
        for name in memory.listings.market_names:
            assert memory.book(name).state_hash() == redis.book(name).state_hash()
        assert memory.open_orders().tobytes() == redis.open_orders().tobytes()
        assert [memory.inspect_account(one)["client_order_ids"] for one in ACCOUNTS] == [
            redis.inspect_account(one)["client_order_ids"] for one in ACCOUNTS
        ]
        assert proved(ledger, redis), f"seed {seed}"
    finally:
        ledger.close()
    return types


def proved(ledger: Any, exchange: Exchange) -> bool:
    """Whether every unit that is held belongs to an open order, a withdrawal or a transfer."""
    from nextrade.service.ledger.redis.proof import prove

    orders: dict[tuple[int, int], int] = {}
    for order in exchange.open_orders():
        key = int(order["account"]), int(order["asset"])
        orders[key] = orders.get(key, 0) + int(order["held"])
    proof = prove(ledger.shards, full=True, order_holds=orders)
    assert proof.faults == ()
    return proof.holds and proof.remarks == ()


@pytest.mark.parametrize("seed", range(5))
def test_both_homes_do_the_same_byte_for_byte(shards: list, seed: int) -> None:
    """Events, markets, balances, totals, books, open orders and answers to every call."""
    agree(shards, seed, 150)


@pytest.mark.parametrize("seed", range(10, 13))
def test_both_homes_do_the_same_with_client_order_ids(shards: list, seed: int) -> None:
    """Orders are refused for their ids, and changes find their orders by them, all the same."""
    agree(shards, seed, 150, ids=True)


def test_the_streams_hold_every_type_of_order(shards: list) -> None:
    """What both homes agree about is all that there is."""
    types: set[int] = set()
    for seed in (6, 7):
        types |= agree(shards, seed, 200)

    assert types >= {int(one) for one in OrderType}


@pytest.mark.full
@pytest.mark.parametrize("seed", range(3000, 3060))
def test_both_homes_do_so_for_long(shards: list, seed: int) -> None:
    """So they do over many longer streams."""
    agree(shards, seed, 1000)
