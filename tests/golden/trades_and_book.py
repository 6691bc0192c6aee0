"""``id,side,price,quantity``; out come the trades, then the book side by side, order by order."""

from itertools import zip_longest

from nextrade import OrderBook, Side

_WIDTH = 18


def play(text: str) -> str:
    """Trades and book as printed."""
    book, lines = OrderBook(), []
    for line in text.split():
        order, side, price, quantity = line.split(",")
        outcome = book.limit(
            int(order), Side.BUY if side == "B" else Side.SELL, int(price), int(quantity)
        )
        lines += [
            f"trade {trade.taker_id},{trade.maker_id},{trade.price_ticks},{trade.qty_lots}"
            for trade in outcome.trades
        ]
    bids, asks = [], []
    for order in book:
        lots, ticks = int(order["visible_lots"]), int(order["price_ticks"])
        if order["side"] == Side.BUY:
            bids.append(f"{lots:>11,} {ticks:>6}")
        else:
            asks.append(f"{ticks:>6} {lots:>11,}")
    blank = " " * _WIDTH
    lines += [f"{bid} | {ask}" for bid, ask in zip_longest(bids, asks, fillvalue=blank)]
    return "".join(f"{line}\n" for line in lines)
