"""The two ways into the book, methods and batches, with the same result: python quickstart.py."""

import numpy as np

import nextrade
from nextrade import CommandKind, EventKind, OrderBook, Side


def by_methods() -> OrderBook:
    """One call an order; a call returns what happened, or raises the refusal."""
    book = OrderBook()
    book.limit(1, Side.SELL, price_ticks=101, qty_lots=5)
    book.limit(2, Side.SELL, price_ticks=102, qty_lots=5)
    outcome = book.limit(3, Side.BUY, price_ticks=102, qty_lots=7)
    for trade in outcome.trades:
        print(f"{trade.qty_lots} lots at {trade.price_ticks} from order {trade.maker_id}")
    return book


def by_batch() -> OrderBook:
    """The same orders as one array of records; the answer is an array of events."""
    commands = np.zeros(3, nextrade.COMMAND_DTYPE)
    commands["kind"] = CommandKind.PLACE
    commands["order_id"] = [1, 2, 3]
    commands["side"] = [Side.SELL, Side.SELL, Side.BUY]
    commands["price_ticks"] = [101, 102, 102]
    commands["qty_lots"] = [5, 5, 7]
    book = OrderBook()
    for event in book.process(commands):
        print(EventKind(event["kind"]).name, event["order_id"], event["qty_lots"])
    return book


if __name__ == "__main__":
    assert by_methods().state_hash() == by_batch().state_hash()
    print("Both books are in the same state.")
