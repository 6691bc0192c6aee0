"""``A side type price quantity id`` / ``M id side price quantity`` / ``C id``; at the end
``R orders bid-levels ask-levels``, the state that is expected.

``FillAndKill`` is immediate or cancel. ``Market`` there is a limit order at the worst price
of the other side, which rests with what is left. ``M`` is a cancel and a new order of the
same type, so it may change the side.
"""

from nextrade import OrderBook, Side, TimeInForce

_SIDES = {"B": Side.BUY, "S": Side.SELL}
_TIMES = {
    "GoodTillCancel": TimeInForce.GTC,
    "FillAndKill": TimeInForce.IOC,
    "FillOrKill": TimeInForce.FOK,
    "Market": TimeInForce.GTC,
}


def expected(text: str) -> tuple[int, int, int]:
    """What the last line says: orders, bid levels, ask levels."""
    _, orders, bids, asks = text.strip().splitlines()[-1].split()
    return int(orders), int(bids), int(asks)


def play(text: str) -> tuple[int, int, int]:
    """The same of the book after all other lines."""
    book = OrderBook()
    types: dict[int, str] = {}
    for line in text.strip().splitlines()[:-1]:
        action, *fields = line.split()
        if action == "A":
            side, kind, price, quantity, order = fields
            types[int(order)] = kind
            _place(book, int(order), _SIDES[side], kind, int(price), int(quantity))
        elif action == "M":
            order, side, price, quantity = fields
            book.cancel(int(order))
            _place(book, int(order), _SIDES[side], types[int(order)], int(price), int(quantity))
        else:
            book.cancel(int(fields[0]))
    bids, asks = book.depth(1_000)
    return len(book), len(bids), len(asks)


def _place(book: OrderBook, order: int, side: Side, kind: str, price: int, lots: int) -> None:
    if kind == "Market":
        opposite = book.depth(1_000)[0 if side == Side.SELL else 1]
        price = int(opposite["price_ticks"][-1])
    book.limit(order, side, price, lots, time_in_force=_TIMES[kind])
