"""What is true of an exchange after every step: held money is worked out from the books."""

from tests.oracle.codes import Side

from .exchange import Exchange


def check(exchange: Exchange) -> None:
    """Raise AssertionError if money is missing, made up, negative, or held for nothing."""
    for oracle in exchange.books:
        oracle.check()
    balances = exchange.accounts.balances()
    for key, (available, held) in balances.items():
        assert available >= 0 <= held, f"negative: {key} has {available} and {held}"
    expected: dict[tuple[int, int], int] = {}
    for account, asset, amount in needed_for_open_orders(exchange):
        expected[account, asset] = expected.get((account, asset), 0) + amount
    for account, asset, amount in exchange.accounts.open_withdrawals():
        expected[account, asset] = expected.get((account, asset), 0) + amount
    held_now = {key: both[1] for key, both in balances.items() if both[1]}
    assert held_now == {key: amount for key, amount in expected.items() if amount}
    for available, held, outside in exchange.totals().values():
        assert available + held == outside, "money appeared or vanished"
    assert {asset for _, asset in balances} <= exchange.totals().keys()


def needed_for_open_orders(exchange: Exchange) -> list[tuple[int, int, int]]:
    """(account, asset, amount) of each open order: a buy its price times what is left of it."""
    needed = []
    for market, order in exchange.open_orders():
        listing = exchange.listings[market]
        if order.side == Side.BUY:
            cost = order.price_ticks * order.left * listing.quote_units_per_tick_lot
            needed.append((order.owner, listing.quote, cost))
        else:
            needed.append((order.owner, listing.base, order.left * listing.base_units_per_lot))
    return needed
