"""A state machine that lives with both books at once, step by step."""

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from tests.model import strategies
from tests.model.auditing import Auditor
from tests.model.comparing import difference, state_difference
from tests.model.compiled import Compiled, OrderBook, events_or_reason
from tests.oracle.codes import EventKind, TradingState
from tests.oracle.oracle import Oracle
from tests.oracle.records import Command


class TwoBooks(RuleBasedStateMachine):
    """Whatever happens to the compiled book happens to the oracle; they must look the same."""

    def __init__(self) -> None:
        super().__init__()
        self.oracle = Oracle()
        self.compiled = Compiled()
        self.auditor = Auditor()

    def carry_out(self, *commands: Command) -> None:
        assert difference(self.oracle, self.compiled, commands) == ""
        self.auditor.audit(self.oracle.book.events)

    @rule(command=strategies.resting_orders)
    def place_resting(self, command):
        self.carry_out(command)

    @rule(command=strategies.limit_orders)
    def place_limit(self, command):
        self.carry_out(command)

    @rule(command=strategies.market_orders | strategies.amount_orders)
    def place_market(self, command):
        self.carry_out(command)

    @rule(command=strategies.stop_orders)
    def place_stop(self, command):
        self.carry_out(command)

    @rule(command=strategies.replacements, data=st.data())
    def replace_open_order(self, command, data):
        self.carry_out(command._replace(order_id=self.some_id(data)))

    @rule(command=strategies.cancels | strategies.reductions, data=st.data())
    def take_off_open_order(self, command, data):
        self.carry_out(command._replace(order_id=self.some_id(data)))

    @rule(command=strategies.mass_cancels | strategies.expiries)
    def take_off_many(self, command):
        self.carry_out(command)

    @rule(command=strategies.state_changes)
    def change_state(self, command):
        self.carry_out(command)

    @rule(command=strategies.uncrosses)
    def uncross(self, command):
        self.carry_out(command)

    @rule(command=strategies.odd_commands)
    def do_something_odd(self, command):
        self.carry_out(command)

    @rule(commands=st.lists(strategies.everyday_commands, max_size=8))
    def process_batch(self, commands):
        self.carry_out(*commands)

    @rule(command=strategies.everyday_commands)
    def call_method(self, command):
        actual = events_or_reason(self.compiled.book, command)
        if actual is None:
            self.carry_out(command)
            return
        expected, _ = self.oracle.process([command])
        self.auditor.audit(expected)
        if isinstance(actual, int):
            assert [(EventKind.REJECTED, actual)] == [(e.kind, e.reason) for e in expected]
        else:
            assert actual == expected

    @rule()
    def restore_from_snapshot(self):
        self.compiled = Compiled(OrderBook.from_snapshot(self.compiled.book.snapshot()))

    def some_id(self, data) -> int:
        """The id of an open order, if there is any."""
        ids = sorted(order.order_id for order in self.oracle.book.all_orders())
        return data.draw(st.sampled_from(ids)) if ids else 0

    @invariant()
    def books_look_the_same(self):
        assert state_difference(self.oracle, self.compiled) == ""

    @invariant()
    def open_book_is_not_crossed(self):
        book = self.compiled.book
        if book.state == TradingState.OPEN and None not in (book.best_bid, book.best_ask):
            assert book.best_bid < book.best_ask

    @invariant()
    def events_account_for_every_lot(self):
        held = {order.order_id: order.left for order in self.oracle.book.all_orders()}
        assert self.auditor.left == held


TestTwoBooks = TwoBooks.TestCase
TestTwoBooks.__doc__ = "Both books agree along every path that Hypothesis finds."
