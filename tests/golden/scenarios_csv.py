"""``N,user,symbol,price,quantity,side,user order id`` / ``C,user,user order id`` / ``F``.

A price of 0 is a market order. Output: A acknowledged, C canceled, T trade (buyer first),
B the best level of a side when it changed (``-`` when the side became empty).
"""

from nextrade import OrderBook, Side

_SIDES = {"B": Side.BUY, "S": Side.SELL}


def expected(text: str) -> list[list[str]]:
    """The published output by scenario; blanks around fields have no meaning."""
    scenarios: list[list[str]] = [[]]
    for line in text.splitlines():
        if line.startswith("#name"):
            scenarios.append([])
        elif line.strip() and not line.startswith("#"):
            scenarios[-1].append(", ".join(field.strip() for field in line.split(",")))
    return scenarios


def play(text: str) -> list[list[str]]:
    """The output of the book by scenario."""
    return [_scenario(part.strip().splitlines()) for part in text.split("F\n") if part.strip()]


def _scenario(lines: list[str]) -> list[str]:
    book, said = OrderBook(), []
    for line in lines:
        before = _best(book)
        if line.startswith("N"):
            _, user, _, price, quantity, side, number = line.split(",")
            said.append(f"A, {user}, {number}")
            said += _place(book, int(user), int(price), int(quantity), _SIDES[side], int(number))
        else:
            _, user, number = line.split(",")
            book.cancel(_id(int(user), int(number)))
            said.append(f"C, {user}, {number}")
        after = _best(book)
        said += [f"B, {side}, {after[side]}" for side in "BS" if after[side] != before[side]]
    return said


def _place(
    book: OrderBook, user: int, price: int, quantity: int, side: Side, number: int
) -> list[str]:
    order = _id(user, number)
    if price:
        outcome = book.limit(order, side, price, quantity)
    else:
        outcome = book.market(order, side, quantity)
    said = []
    for trade in outcome.trades:
        buyer, seller = trade.taker_id, trade.maker_id
        if side == Side.SELL:
            buyer, seller = seller, buyer
        parties = f"{_name(buyer)}, {_name(seller)}"
        said.append(f"T, {parties}, {trade.price_ticks}, {trade.qty_lots}")
    return said


def _best(book: OrderBook) -> dict[str, str]:
    top = book.top()
    return {
        "B": "-, -" if top.bid_ticks is None else f"{top.bid_ticks}, {top.bid_lots}",
        "S": "-, -" if top.ask_ticks is None else f"{top.ask_ticks}, {top.ask_lots}",
    }


def _id(user: int, number: int) -> int:
    return user << 32 | number


def _name(order: int) -> str:
    return f"{order >> 32}, {order & 0xFFFFFFFF}"
