"""``id side instrument quantity price``: ``TRADE instrument taker maker quantity price`` lines,
a blank line, then the orders that remain, in the order in which they came.
"""

from collections import defaultdict

from nextrade import OrderBook, Side


def play(text: str) -> list[str]:
    """Trades and remaining orders as printed. Ids are names there and numbers here."""
    books: defaultdict[str, OrderBook] = defaultdict(OrderBook)
    names: list[str] = []
    said: list[str] = []
    for line in text.splitlines():
        name, side, instrument, quantity, price = line.split()
        names.append(name)
        outcome = books[instrument].limit(len(names) - 1, Side[side], int(price), int(quantity))
        said += [
            f"TRADE {instrument} {names[trade.taker_id]} {names[trade.maker_id]}"
            f" {trade.qty_lots} {trade.price_ticks}"
            for trade in outcome.trades
        ]
    remaining = {
        int(order["order_id"]): f"{Side(int(order['side'])).name} {instrument}"
        f" {int(order['visible_lots'])} {int(order['price_ticks'])}"
        for instrument, book in books.items()
        for order in book
    }
    return [*said, "", *(f"{names[order]} {remaining[order]}" for order in sorted(remaining))]
