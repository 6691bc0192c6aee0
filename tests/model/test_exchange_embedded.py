"""Seeded streams through the embedded exchange, closed and opened again on the way."""

import tempfile

import pytest

from nextrade import Exchange
from nextrade.errors import ExchangeError
from nextrade.service.exchange import kept_ids
from nextrade.service.exchange.kept_ids import KeptIds
from tests.model.compiled import command_array
from tests.model.exchange_comparing import as_text, difference, shortest
from tests.model.exchange_embedded import Embedded, PlainWhole, for_all_markets, with_ids
from tests.model.exchange_settings import Setting
from tests.model.exchange_streams import Batch, Money, Restart, Step, exchange_stream
from tests.oracle.codes import CommandKind, Reason
from tests.oracle.exchange.codes import Refusal
from tests.oracle.records import Command


def run(setting: Setting, steps: list[Step]) -> str:
    """Let oracle and exchange take all steps. Answers with the first difference."""
    with tempfile.TemporaryDirectory() as folder:
        plain, embedded = PlainWhole(setting.listings), Embedded(setting.listings, folder)
        plain.exchange.client_ids.most = KeptIds.most
        for step in steps:
            found = difference(plain, embedded, step)
            if found:
                break
        embedded.exchange.close()
    return found


def agree(seed: int, commands: int, *, ids: bool = False, relisting: bool = False) -> None:
    """Fail with the shortest list of steps if oracle and exchange differ."""
    setting, steps = exchange_stream(seed, commands, relisting)
    steps = [*for_all_markets(steps), Restart()]
    if ids:
        steps = with_ids(steps, seed)
    found = run(setting, steps)
    if found:
        few = shortest(steps, lambda tried: bool(run(setting, tried)))
        text = "\n".join(as_text(step) for step in few)
        pytest.fail(f"seed {seed}, setting {setting.name!r}: {found}\n{text}")


@pytest.mark.parametrize("seed", range(12))
def test_the_embedded_exchange_does_what_the_oracle_does(seed: int) -> None:
    """Events, balances, holds and books are the same, also after each reopening of the path."""
    agree(seed, 200)


@pytest.mark.full
@pytest.mark.parametrize("seed", range(1000, 1200))
def test_the_embedded_exchange_does_so_for_long(seed: int) -> None:
    """So they are over many long streams."""
    agree(seed, 1500)


@pytest.mark.parametrize("seed", range(12))
def test_client_order_ids_are_those_of_the_oracle(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who is refused for an id, and which ids are taken after each step, over many days and each
    reopening of the path; in some streams there is room for few ids."""
    monkeypatch.setattr(KeptIds, "most", [1_000_000, 6, 3][seed % 3])
    monkeypatch.setattr(kept_ids, "_FEWEST_LOOKED_AT", [1024, 1, 2, 3][seed % 4])
    agree(seed, 200, ids=True)


@pytest.mark.parametrize("seed", range(8))
def test_the_embedded_exchange_goes_on_under_other_listings(seed: int) -> None:
    """Events, money, books and client order ids are those of the oracle, whatever changes between
    batches, and after each reopening of the path with the listings that it was founded with."""
    agree(seed, 150, ids=True, relisting=True)


@pytest.mark.full
@pytest.mark.parametrize("seed", range(3000, 3100))
def test_other_listings_agree_for_long(seed: int) -> None:
    """So they are over many long streams."""
    agree(seed, 1000, ids=True, relisting=True)


def test_the_streams_hold_every_fate_of_an_id() -> None:
    """Ids are refused for each reason, go when they are over, and come again."""
    reasons: set[int] = set()
    again = 0
    for seed in range(6):
        setting, steps = exchange_stream(seed, 200)
        plain = PlainWhole(setting.listings)
        plain.exchange.client_ids.most = [1_000_000, 6, 3][seed % 3]
        holders: dict[tuple[int, bytes], int] = {}
        for step in with_ids(for_all_markets(steps), seed):
            if isinstance(step, Batch):
                reasons |= {event.event.reason for event in plain.process(step)}
            elif isinstance(step, Money):
                plain.money(step)
            for account, text, _, order, _ in plain.client_ids():
                again += holders.setdefault((account, text), order) != order
                holders[account, text] = order

    assert reasons >= {
        Reason.UNKNOWN_ORDER,
        Refusal.DUPLICATE_CLIENT_ORDER_ID,
        Refusal.TOO_MANY_CLIENT_ORDER_IDS,
    }
    assert again > 10


@pytest.mark.full
@pytest.mark.parametrize("seed", range(2000, 2200))
def test_client_order_ids_are_so_for_long(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """So they are over many long streams."""
    monkeypatch.setattr(KeptIds, "most", [1_000_000, 20, 4][seed % 3])
    agree(seed, 1500, ids=True)


MALFORMED = [
    ("transfer", (1, 1, "BTC", "1"), {}),
    ("transfer", (-1, 1, "BTC", "1"), {}),
    ("transfer", (1, 2**32, "BTC", "1"), {}),
    ("deposit", (1, "BTC", "0"), {}),
    ("deposit", (1, "BTC", "1"), {"reference": ""}),
    ("deposit", (1, "BTC", "1"), {"reference": "r" * 201}),
    ("deposit", (1, "BTC", "1"), {"reference": 7}),
    ("deposit", (1, "BTC", "1"), {"reference": "\ud800"}),
    ("hold_withdrawal", (1, "BTC", "0", "w"), {}),
    ("capture", ("",), {}),
    ("refund", (7,), {}),
]


@pytest.mark.parametrize(("call", "arguments", "named"), MALFORMED, ids=str)
def test_what_no_ledger_takes_is_not_written_down(call, arguments, named, tmp_path) -> None:
    """A malformed call raises once, and not again whenever the path is opened."""
    with Exchange(path=tmp_path / "exchange", fsync=False) as exchange:
        exchange.deposit(1, "BTC", "5")
        before = exchange.state_hash()
        with pytest.raises((ValueError, TypeError, ExchangeError)):
            getattr(exchange, call)(*arguments, **named)

    with Exchange(path=tmp_path / "exchange", fsync=False) as exchange:
        assert exchange.state_hash() == before


def test_what_is_refused_uses_up_no_ids_and_moves_no_clock() -> None:
    """After a cancel of an id and a time beyond all others, orders are placed as before."""
    stray = Command(kind=CommandKind.CANCEL, order_id=2**62 - 1, timestamp_ns=2**63 - 1, owner=1)
    with Exchange(clock=lambda: 1000) as exchange:
        exchange.deposit(1, "BTC", "1")
        exchange.submit(command_array([stray]))

        placed = exchange.place(1, "BTC-USDT", "sell", price="100", quantity="0.5")

        assert (placed.order_id, placed.status) == (1, "open")
        assert exchange.book("BTC-USDT").order(1)["timestamp_ns"] == 1000
