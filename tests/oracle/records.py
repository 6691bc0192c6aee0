"""Commands, events and level updates as plain tuples, fields in the order of the NumPy records."""

from typing import NamedTuple


class Command(NamedTuple):
    """One request. What a kind of command does not use stays zero."""

    timestamp_ns: int = 0
    order_id: int = 0
    price_ticks: int = 0
    qty_lots: int = 0
    trigger_ticks: int = 0
    display_lots: int = 0
    quote_amount: int = 0
    expire_ns: int = 0
    owner: int = 0
    market: int = 0
    kind: int = 0
    order_type: int = 0
    side: int = 0
    time_in_force: int = 0
    post_only: int = 0
    self_trade: int = 0
    state: int = 0
    reserved: int = 0


class Event(NamedTuple):
    """One fact, as section 9 of the rules lays it out."""

    timestamp_ns: int = 0
    order_id: int = 0
    price_ticks: int = 0
    qty_lots: int = 0
    leaves_lots: int = 0
    maker_id: int = 0
    maker_leaves_lots: int = 0
    trade_index: int = 0
    owner: int = 0
    maker_owner: int = 0
    command: int = 0
    kind: int = 0
    reason: int = 0
    side: int = 2
    flags: int = 0


class LevelUpdate(NamedTuple):
    """The new visible state of one price level; zero quantity: it is gone."""

    price_ticks: int
    qty_lots: int
    orders: int
    command: int
    side: int
