"""The exchange as people use it: deposits, orders in words, balances to the unit."""

import numpy as np
import pytest

from nextrade import (
    COMMAND_DTYPE,
    CommandKind,
    EventKind,
    Exchange,
    ExchangeError,
    Side,
    UnitError,
    errors,
)
from nextrade.domain.refusals import Refusal
from nextrade.service.exchange import Balance

from .markets import listings


@pytest.fixture
def exchange() -> Exchange:
    """An exchange in memory: account 1 has USDT, account 2 has BTC and ETH."""
    made = Exchange(listings(), clock=lambda: 7)
    made.deposit(1, "USDT", "1000")
    made.deposit(2, "BTC", "2")
    made.deposit(2, "ETH", "10")
    return made


def test_a_trade_moves_exactly_what_it_should(exchange: Exchange) -> None:
    """Buyer and seller pay their fees of what they receive, and the rest stays held."""
    resting = exchange.place(1, "BTC-USDT", "buy", price="100", quantity="2")
    taking = exchange.place(2, "BTC-USDT", "sell", price="90", quantity="0.5")

    assert (resting.status, taking.status, taking.filled) == ("open", "filled", "0.5000")
    assert taking.fills[0].price == "100.00"
    # 0.5 BTC less a tenth of a percent; 50 USDT less two tenths.
    assert exchange.balances(1) == {
        "BTC": Balance("0.49950000", "0.00000000"),
        "USDT": Balance("800.000000", "150.000000"),
    }
    assert exchange.balances(2)["USDT"] == Balance("49.900000", "0.000000")
    assert exchange.balances(0) == {
        "BTC": Balance("0.00050000", "0.00000000"),
        "USDT": Balance("0.100000", "0.000000"),
    }
    assert exchange.verify(full=True).holds


def test_a_better_price_gives_the_difference_back(exchange: Exchange) -> None:
    """A buy at 110 that trades at 100 has paid 100."""
    exchange.place(2, "BTC-USDT", "sell", price="100", quantity="1")
    exchange.place(1, "BTC-USDT", "buy", price="110", quantity="1")

    assert exchange.balances(1)["USDT"] == Balance("900.000000", "0.000000")


def test_what_is_not_there_cannot_be_spent(exchange: Exchange) -> None:
    """The order is refused with the reason, and nothing has moved."""
    refused = exchange.place(1, "BTC-USDT", "buy", price="100", quantity="10.0001")

    assert (refused.status, refused.reason) == ("rejected", "INSUFFICIENT_FUNDS")
    assert exchange.balances(1) == {"USDT": Balance("1000.000000", "0.000000")}


def test_cancel_reduce_and_replace_give_back_what_they_free(exchange: Exchange) -> None:
    """Held is what the order can still cost, after each change."""
    order = exchange.place(1, "BTC-USDT", "buy", price="100", quantity="4").order_id
    exchange.reduce(1, "BTC-USDT", order, "1")
    assert exchange.balances(1)["USDT"].held == "300.000000"
    exchange.replace(1, "BTC-USDT", order, price="120", quantity="2")
    assert exchange.balances(1)["USDT"].held == "240.000000"
    exchange.cancel(1, "BTC-USDT", order)

    assert exchange.balances(1)["USDT"] == Balance("1000.000000", "0.000000")
    assert len(exchange.open_orders()) == 0


def test_nobody_cancels_the_orders_of_another(exchange: Exchange) -> None:
    """The book knows whose an order is."""
    order = exchange.place(1, "BTC-USDT", "buy", price="100", quantity="1").order_id
    done = exchange.cancel(2, "BTC-USDT", order)

    assert (done.status, done.reason) == ("rejected", "NOT_OWNER")
    assert exchange.balances(1)["USDT"].held == "100.000000"


def test_a_market_order_gets_a_worst_price_from_the_collar(exchange: Exchange) -> None:
    """It trades up to a tenth beyond the best price, and gives the rest back."""
    exchange.place(2, "BTC-USDT", "sell", price="100", quantity="1")
    exchange.place(2, "BTC-USDT", "sell", price="120", quantity="1")
    done = exchange.place(1, "BTC-USDT", "buy", quantity="2")

    assert (done.status, done.filled, done.reason) == ("canceled", "1.0000", "WORST_PRICE")
    assert exchange.balances(1)["USDT"] == Balance("900.000000", "0.000000")


def test_a_market_order_without_any_price_to_go_by_is_refused(exchange: Exchange) -> None:
    """An empty book has no price, so nobody can say what a buy may cost."""
    assert exchange.place(1, "BTC-USDT", "buy", quantity="1").reason == "NO_WORST_PRICE"


def test_a_market_order_spends_an_amount(exchange: Exchange) -> None:
    """What buys no further lot comes back."""
    exchange.place(2, "BTC-USDT", "sell", price="30", quantity="2")
    exchange.place(1, "BTC-USDT", "buy", amount="50", worst_price="33")

    # A lot of 0.0001 BTC costs 0.003 USDT: 16,666 of them cost 49.998.
    assert exchange.balances(1)["USDT"] == Balance("950.002000", "0.000000")
    assert exchange.verify(full=True).holds


def test_a_fee_tier_holds_for_orders_placed_under_it(exchange: Exchange) -> None:
    """An open order keeps the fees of the day it came."""
    exchange.place(1, "BTC-USDT", "buy", price="100", quantity="1")
    exchange.set_tier(1, 1)
    exchange.place(1, "BTC-USDT", "buy", price="99", quantity="1")
    exchange.place(2, "BTC-USDT", "sell", price="99", quantity="2")

    # The first paid a tenth of a percent, the second nothing.
    assert exchange.balances(1)["BTC"].available == "1.99900000"
    with pytest.raises(ExchangeError, match="no fee tier 2"):
        exchange.set_tier(1, 2)


def test_money_is_credited_once_for_each_reference(exchange: Exchange) -> None:
    """A repeated deposit says so; the same reference for other money is refused."""
    assert exchange.deposit(3, "USDT", "5", "wire 1")
    assert not exchange.deposit(3, "USDT", "5", "wire 1")
    with pytest.raises(errors.ReferenceReused):
        exchange.deposit(3, "USDT", "6", "wire 1")

    assert exchange.balances(3)["USDT"].available == "5.000000"


def test_a_withdrawal_is_held_then_leaves_or_comes_back(exchange: Exchange) -> None:
    """Held money cannot be spent; captured it is gone, refunded it is back."""
    exchange.hold_withdrawal(1, "USDT", "300", "w1")
    exchange.hold_withdrawal(1, "USDT", "200", "w2")
    assert exchange.balances(1)["USDT"] == Balance("500.000000", "500.000000")
    assert exchange.verify(full=True).holds
    exchange.capture("w1")
    exchange.refund("w2")

    assert exchange.balances(1)["USDT"] == Balance("700.000000", "0.000000")
    assert exchange.verify(full=True).holds
    with pytest.raises(errors.HoldFinished):
        exchange.refund("w1")


def test_a_transfer_moves_what_is_available(exchange: Exchange) -> None:
    """Once per reference, and never more than there is."""
    assert exchange.transfer(1, 2, "USDT", "400")
    with pytest.raises(errors.InsufficientFunds):
        exchange.transfer(1, 2, "USDT", "601")

    assert exchange.balances(2)["USDT"].available == "400.000000"


@pytest.mark.parametrize(
    ("words", "error", "said"),
    [
        ({"market": "BTC-EUR"}, UnitError, "no market 'BTC-EUR'"),
        ({"side": "long"}, ExchangeError, "'long' is not one of buy, sell"),
        ({"price": "100.001"}, UnitError, "nearest are 100.00 and 100.01"),
        ({"quantity": "1e3"}, UnitError, "without an exponent"),
        ({"order_type": "stop-limit", "price": None}, UnitError, "needs a price"),
        ({"time_in_force": "day"}, ExchangeError, "'day' is not one of"),
    ],
)
def test_a_word_that_means_nothing_is_named(
    exchange: Exchange, words: dict[str, str], error: type[Exception], said: str
) -> None:
    """The error says what is wrong and what would be right."""
    usual = {"market": "BTC-USDT", "side": "buy", "price": "100", "quantity": "1"}
    asked = usual | words
    with pytest.raises(error, match=said):
        exchange.place(1, asked.pop("market"), asked.pop("side"), **asked)


@pytest.mark.parametrize("account", [0, -1, 2**32, "1", True])
def test_an_account_is_a_number_from_1_on(exchange: Exchange, account: int) -> None:
    """Nobody deposits to the exchange's own account, or to no account."""
    with pytest.raises(ExchangeError, match="an account is a number"):
        exchange.deposit(account, "USDT", "1")


def test_a_batch_over_two_partitions_is_told_in_the_order_of_its_commands(
    exchange: Exchange,
) -> None:
    """Events of both partitions stand where their commands stood."""
    commands = np.zeros(4, COMMAND_DTYPE)
    commands["kind"] = CommandKind.PLACE
    commands["order_id"] = [1, 2, 3, 4]
    commands["owner"] = [2, 1, 9, 2]
    commands["market"] = [1, 0, 0, 7]
    commands["side"] = [Side.SELL, Side.BUY, Side.BUY, Side.BUY]
    commands["price_ticks"], commands["qty_lots"] = 10_000, 1
    batch = exchange.submit(commands)

    assert batch.events["command"].tolist() == [0, 1, 2, 3]
    assert batch.markets.tolist() == [1, 0, 0, 7]
    assert batch.events["kind"].tolist() == [EventKind.ACCEPTED] * 2 + [EventKind.REJECTED] * 2
    assert batch.events["reason"].tolist()[2:] == [
        Refusal.INSUFFICIENT_FUNDS,
        Refusal.UNKNOWN_MARKET,
    ]
    assert exchange.verify(full=True).holds
    assert len(exchange.submit(commands[:0]).events) == 0


def test_the_default_listings_need_nothing() -> None:
    """An exchange in one line."""
    exchange = Exchange()
    exchange.deposit(1, "USDT", "10")

    assert exchange.listings.market_names[0] == "BTC-USDT"
    assert exchange.verify().holds


def test_a_clock_that_steps_back_stands_still() -> None:
    """Orders are never dated before those that came before."""
    times = iter([100, 50, 200])
    exchange = Exchange(listings(), clock=lambda: next(times))
    exchange.deposit(1, "USDT", "100")
    seen = [
        int(exchange.place(1, "BTC-USDT", "buy", price="1", quantity="1").events["timestamp_ns"][0])
        for _ in range(3)
    ]

    assert seen == [100, 100, 200]
