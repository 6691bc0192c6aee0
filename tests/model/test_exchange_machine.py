"""A state machine that lives with both exchanges at once, step by step."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tests.model import strategies
from tests.model.exchange_comparing import difference
from tests.model.exchange_faces import Plain, Real
from tests.model.exchange_settings import SETTINGS, STEEP, Setting, three_markets
from tests.model.exchange_streams import Batch, Money, Restart
from tests.oracle.codes import CommandKind, TradingState
from tests.oracle.records import Command

LARGE = Setting("large", three_markets(10**16, 10**15, STEEP, (0, 1, 0)), max_lots=12)
AROUND_A_HUNDRED = [*(setting for setting in SETTINGS if setting.price == 100), LARGE]
MARKETS = range(3)
ACCOUNTS = 3

accounts = st.integers(1, ACCOUNTS)
assets = st.integers(0, 2)
references = st.integers(1, 8).map(str)
markets = st.sampled_from(MARKETS)
tiers = st.sampled_from([0, 0, 1, 2, 9])
shares = st.integers(1, 40)
"""Amounts are so many fifths of what a large order costs: some pay for several, some for none."""


def in_a_market(command: Command, market: int) -> Command:
    """A command of the book's strategies, sent to one market of the exchange by an account."""
    is_for_operators = command.kind not in (
        CommandKind.PLACE,
        CommandKind.REPLACE,
        CommandKind.MASS_CANCEL,
    )
    owner = command.owner if is_for_operators or command.owner > ACCOUNTS else command.owner + 1
    # Ids tell the markets apart; the larger ones are refused anyway.
    order_id = command.order_id * 3 + market if command.order_id < 2**32 else command.order_id
    return command._replace(market=market, owner=owner, order_id=order_id)


orders = st.builds(
    in_a_market,
    st.one_of(
        strategies.resting_orders,
        strategies.limit_orders,
        strategies.stop_orders,
        strategies.market_orders.map(lambda command: with_worst_price(command)),
        strategies.amount_orders,
    ),
    markets,
)
auction_orders = st.builds(
    in_a_market, strategies.resting_orders | strategies.limit_orders, markets
)
everything = st.builds(in_a_market, strategies.everyday_commands, markets)
operations = st.builds(
    in_a_market, strategies.state_changes | strategies.uncrosses | strategies.expiries, markets
)


def with_worst_price(command: Command) -> Command:
    """Most market orders need one, and without it there is little to see."""
    return command._replace(price_ticks=command.price_ticks or 103)


class TwoExchanges(RuleBasedStateMachine):
    """What happens to the real exchange happens to the oracle; they must have the same money."""

    def __init__(self) -> None:
        super().__init__()
        self.came_in = [0, 0, 0]

    @initialize(setting=st.sampled_from(AROUND_A_HUNDRED), shares=st.lists(shares, min_size=9))
    def found(self, setting, shares):
        self.setting = setting
        self.plain, self.real = Plain(setting.listings), Real(setting.listings)
        for account in range(1, ACCOUNTS + 1):
            for asset in range(3):
                share = shares[3 * asset + account - 1]
                self.credit(f"first {account} {asset}", account, asset, share)

    def take(self, step) -> None:
        assert difference(self.plain, self.real, step) == ""

    def amount(self, asset: int, share: int) -> int:
        return share * self.setting.worth(asset) // 5 + 1

    def run(self, commands, tiers) -> None:
        """Give each partition its commands, which keep their order."""
        for partition in range(self.setting.partitions):
            chosen = [
                (command, tier)
                for command, tier in zip(commands, tiers, strict=True)
                if self.setting.listings[command.market].partition == partition
            ]
            if chosen:
                some, of_them = zip(*chosen, strict=True)
                frames = (1, len(some) - 1) if len(some) > 1 else (1,)
                self.take(Batch(partition, some, of_them, frames))

    # Money

    @rule(reference=references, account=accounts, asset=assets, share=shares)
    def credit(self, reference, account, asset, share):
        amount = self.amount(asset, share)
        known = reference in self.plain.exchange.accounts.references
        self.take(Money("credit", (reference, account, asset, amount)))
        if not known and reference in self.plain.exchange.accounts.done:
            self.came_in[asset] += amount

    @rule(reference=references, account=accounts, asset=assets, share=shares)
    def withdraw(self, reference, account, asset, share):
        self.take(Money("hold", (reference, account, asset, self.amount(asset, share))))

    @rule(reference=references, call=st.sampled_from(["capture", "refund"]))
    def end_withdrawal(self, reference, call):
        accounts = self.plain.exchange.accounts
        if call == "capture" and accounts.done.get(reference) == "held":
            _, asset, amount = accounts.references[reference][1]
            self.came_in[asset] -= amount
        self.take(Money(call, (reference,)))

    @rule(reference=references, giver=accounts, taker=accounts, asset=assets, share=shares)
    def transfer(self, reference, giver, taker, asset, share):
        arguments = (reference, giver, taker, asset, self.amount(asset, share))
        self.take(Money("transfer", arguments))

    # Orders

    @rule(command=orders, tier=tiers)
    def place(self, command, tier):
        self.run([command], [tier])

    @rule(pairs=st.lists(st.tuples(orders, tiers), min_size=2, max_size=12))
    def place_many(self, pairs):
        self.run(*zip(*pairs, strict=True))

    @rule(pairs=st.lists(st.tuples(everything, tiers), min_size=1, max_size=8))
    def do_anything(self, pairs):
        self.run(*zip(*pairs, strict=True))

    @rule(command=operations)
    def operate(self, command):
        self.run([command._replace(owner=0)], [0])

    @rule(
        pairs=st.lists(st.tuples(auction_orders, tiers), min_size=2, max_size=6),
        market=markets,
        uncross=strategies.uncrosses,
    )
    def hold_an_auction(self, pairs, market, uncross):
        state = Command(kind=CommandKind.SET_STATE, market=market, state=TradingState.AUCTION)
        self.run([state], [0])
        self.run(*zip(*pairs, strict=True))
        self.run([uncross._replace(market=market)], [0])

    @rule(command=strategies.replacements, data=st.data(), wrong=st.sampled_from([0] * 9 + [1]))
    def replace_open_order(self, command, data, wrong):
        market, order = self.some_order(data)
        if order:
            fields = {"market": market, "order_id": order.order_id, "owner": order.owner}
            if not order.is_dormant:
                fields["trigger_ticks"] = 0
            self.run([command._replace(side=order.side ^ wrong, **fields)], [0])

    @rule(command=strategies.cancels | strategies.reductions, data=st.data())
    def take_off_open_order(self, command, data):
        market, order = self.some_order(data)
        if order:
            fields = {"market": market, "order_id": order.order_id, "owner": order.owner}
            self.run([command._replace(**fields)], [0])

    @rule(account=accounts, market=markets)
    def mass_cancel(self, account, market):
        self.run([Command(kind=CommandKind.MASS_CANCEL, owner=account, market=market)], [0])

    @rule()
    def restart(self):
        self.take(Restart())

    def some_order(self, data):
        """An open order and its market, if there is any."""
        found = sorted(self.plain.exchange.open_orders(), key=lambda pair: pair[1].order_id)
        return data.draw(st.sampled_from(found)) if found else (0, None)

    # What is always so, said once more without the oracle

    @invariant()
    def nothing_is_made_or_lost(self):
        totals = self.real.totals()
        for asset, came_in in enumerate(self.came_in):
            available, held, outside = totals.get(asset, (0, 0, 0))
            assert available + held == outside == came_in

    @invariant()
    def held_is_the_sum_of_the_holds(self):
        expected: dict[int, int] = {}
        for hold in self.real.open_holds():
            expected[hold.asset] = expected.get(hold.asset, 0) + hold.held
        for _, asset, amount in self.plain.exchange.accounts.open_withdrawals():
            expected[asset] = expected.get(asset, 0) + amount
        for asset, (_, held, _) in self.real.totals().items():
            assert held == expected.get(asset, 0)

    @invariant()
    def nothing_is_negative(self):
        for available, held in self.real.balances().values():
            assert available >= 0 <= held


TestTwoExchanges = TwoExchanges.TestCase
TestTwoExchanges.__doc__ = "Both exchanges agree along every path that Hypothesis finds."
# Two exchanges take their time: half as many examples as elsewhere.
TestTwoExchanges.settings = settings(max_examples=settings().max_examples // 2)
