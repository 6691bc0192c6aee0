"""Hypothesis strategies for commands: narrow enough to meet each other, odd enough to hurt.

``streams.py`` makes long streams fast; these make short ones that shrink well.
"""

from hypothesis import strategies as st

from tests.oracle.codes import I64_MAX, CommandKind, OrderType, PostOnly, SelfTrade, TimeInForce
from tests.oracle.records import Command


def commands(**fields: st.SearchStrategy[int]) -> st.SearchStrategy[Command]:
    """Commands with these fields; what is not named stays zero."""
    return st.fixed_dictionaries(fields).map(lambda values: Command(**values))


ids = st.integers(0, 11)
owners = st.integers(0, 2)
times = st.integers(0, 30)
sides = st.integers(0, 1)
prices = st.integers(97, 103)
worst_prices = st.just(0) | prices
self_trades = st.just(SelfTrade.ALLOW) | st.integers(0, 4)
lots = st.integers(1, 12)
displays = st.sampled_from([0, 0, 1, 3, 5])
states = st.sampled_from([0, 0, 0, 1, 1, 2, 3])
times_in_force = st.sampled_from([TimeInForce.GTC, TimeInForce.IOC, TimeInForce.FOK])

any_order = {
    "kind": st.just(CommandKind.PLACE),
    "timestamp_ns": times,
    "order_id": ids,
    "owner": owners,
    "side": sides,
    "qty_lots": lots,
    "self_trade": self_trades,
}
good_till_time = {"time_in_force": st.just(TimeInForce.GTD), "expire_ns": st.integers(31, 50)}
limit_types = st.sampled_from([OrderType.STOP_LIMIT, OrderType.TAKE_PROFIT_LIMIT])
market_types = st.sampled_from([OrderType.STOP_MARKET, OrderType.TAKE_PROFIT_MARKET])

limit_orders = commands(**any_order, price_ticks=prices, time_in_force=times_in_force) | commands(
    **any_order, price_ticks=prices, **good_till_time
)
resting_orders = commands(
    **any_order,
    price_ticks=prices,
    display_lots=displays,
    post_only=st.sampled_from([PostOnly.NO, PostOnly.NO, PostOnly.REJECT, PostOnly.SLIDE]),
)
market_orders = commands(
    **any_order,
    order_type=st.sampled_from([OrderType.MARKET, OrderType.MARKET_TO_LIMIT]),
    price_ticks=worst_prices,
    time_in_force=times_in_force,
)
amount_orders = commands(
    **(any_order | {"qty_lots": st.just(0)}),
    order_type=st.just(OrderType.MARKET),
    price_ticks=worst_prices,
    quote_amount=st.integers(1, 2500),
)
stop_orders = st.one_of(
    commands(
        **any_order,
        order_type=limit_types,
        trigger_ticks=prices,
        price_ticks=prices,
        display_lots=displays,
    ),
    commands(
        **any_order,
        order_type=market_types,
        trigger_ticks=prices,
        price_ticks=worst_prices,
        time_in_force=times_in_force,
    ),
    commands(
        **any_order,
        order_type=limit_types | market_types,
        trigger_ticks=prices,
        price_ticks=prices,
        **good_till_time,
    ),
)
cancels = commands(kind=st.just(CommandKind.CANCEL), timestamp_ns=times, order_id=ids, owner=owners)
reductions = commands(
    kind=st.just(CommandKind.REDUCE), timestamp_ns=times, order_id=ids, qty_lots=lots
)
replacements = commands(
    kind=st.just(CommandKind.REPLACE),
    timestamp_ns=times,
    order_id=ids,
    price_ticks=prices,
    qty_lots=lots,
    trigger_ticks=st.just(0) | prices,
)
mass_cancels = commands(kind=st.just(CommandKind.MASS_CANCEL), timestamp_ns=times, owner=owners)
expiries = commands(kind=st.just(CommandKind.EXPIRE), timestamp_ns=st.integers(0, 50))
state_changes = commands(kind=st.just(CommandKind.SET_STATE), timestamp_ns=times, state=states)
uncrosses = commands(
    kind=st.just(CommandKind.UNCROSS),
    timestamp_ns=times,
    price_ticks=worst_prices,
    state=states,
)

odd_numbers = st.sampled_from([0, 1, 2, 99, 100, 101, -1, -(2**63)])
odd_codes = st.integers(0, 8) | st.just(255)
odd_commands = commands(
    timestamp_ns=times | odd_numbers,
    order_id=ids | st.just(2**64 - 1),
    price_ticks=prices | odd_numbers | st.just(I64_MAX),
    qty_lots=lots | odd_numbers,
    trigger_ticks=st.just(0) | prices | odd_numbers,
    display_lots=st.just(0) | odd_numbers,
    quote_amount=st.just(0) | odd_numbers,
    expire_ns=st.just(0) | times | odd_numbers,
    owner=owners | st.just(2**32 - 1),
    market=st.just(0) | st.just(5),
    kind=st.integers(0, 9) | st.just(255),
    order_type=odd_codes,
    side=odd_codes,
    time_in_force=odd_codes,
    post_only=odd_codes,
    self_trade=odd_codes,
    state=odd_codes,
    reserved=st.just(0) | st.just(255),
)
"""No huge quantity: behind a display of one lot it would come up in endless slices."""

huge_lots = st.sampled_from([1, 2, 2**62, 2**62 - 1, I64_MAX - 1, I64_MAX])
huge_prices = st.sampled_from([1, 2, 3, I64_MAX - 1, I64_MAX, 2**62])
huge_commands = commands(
    **(any_order | {"qty_lots": huge_lots}),
    order_type=st.integers(0, 1) | st.integers(0, 6),
    price_ticks=huge_prices,
    trigger_ticks=st.just(0) | st.just(0) | huge_prices,
    display_lots=st.sampled_from([0, 0, 0, 2**60, 2**61]),
    post_only=st.sampled_from([0, 0, 0, 1, 2]),
) | commands(
    kind=st.sampled_from([CommandKind.REPLACE, CommandKind.REDUCE, CommandKind.CANCEL]),
    timestamp_ns=times,
    order_id=ids,
    price_ticks=huge_prices,
    qty_lots=huge_lots,
)
huge_amount_orders = commands(
    **(any_order | {"qty_lots": st.just(0)}),
    order_type=st.just(OrderType.MARKET),
    quote_amount=huge_lots,
)

everyday_commands = st.one_of(
    resting_orders,
    limit_orders,
    resting_orders,
    stop_orders,
    market_orders,
    amount_orders,
    replacements,
    reductions,
    cancels,
    state_changes,
    uncrosses,
    mass_cancels,
    expiries,
    odd_commands,
)
extreme_commands = st.one_of(huge_commands, huge_amount_orders, state_changes, uncrosses)

command_lists = st.lists(everyday_commands, min_size=1, max_size=40) | st.lists(
    extreme_commands, min_size=1, max_size=20
)
