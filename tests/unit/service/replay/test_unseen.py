"""Orders that only recorded levels show."""

from __future__ import annotations

import numpy as np

from nextrade import OrderBook
from nextrade.service.replay.rebuild import RECORDED_OWNER, collecting_book
from nextrade.service.replay.unseen import Unseen

from .by_hand import BUY, SELL, levels


def made(unseen: Unseen, row: np.ndarray, book: OrderBook) -> list[tuple[int, int, int]]:
    """Side, price and quantity of the orders that are made up."""
    found = unseen.orders(row, book)
    assert (found["owner"] == RECORDED_OWNER).all()
    names = ("side", "price_ticks", "qty_lots")
    return list(zip(*(found[name].tolist() for name in names), strict=True))


def book_with(*orders: tuple[int, int, int, int]) -> OrderBook:
    """A recorded book with these orders."""
    book = collecting_book()
    for order_id, side, price, lots in orders:
        book.limit(order_id, side, price, lots, owner=RECORDED_OWNER)
    return book


def test_what_no_order_explains_is_made_up() -> None:
    """A level is 5 and orders explain 3 of it: 2 are made up; an explained level gets none."""
    book = book_with((1, BUY, 100, 3), (2, SELL, 103, 4))
    row = levels([(100, 5), (99, 7)], [(103, 4)])

    assert made(Unseen(), row, book) == [(BUY, 100, 2), (BUY, 99, 7)]


def test_prices_shown_before_are_not_looked_at_again() -> None:
    """Only a price beyond all that was shown can hide an order from before the start."""
    unseen = Unseen()
    unseen.orders(levels([(100, 5), (98, 1)], [(103, 2)]), book_with())
    row = levels([(100, 9), (99, 4), (97, 3)], [(103, 7), (104, 6)])

    assert made(unseen, row, book_with()) == [(BUY, 97, 3), (SELL, 104, 6)]
    assert unseen.count == 5


def test_ids_are_never_used_twice() -> None:
    """Each order that is made up has an id of its own, far above those of exchanges."""
    unseen = Unseen()
    first = unseen.orders(levels([(100, 5)], [(103, 2)]), book_with())
    second = unseen.orders(levels([(99, 5)], [(104, 2)]), book_with())
    ids = [*first["order_id"].tolist(), *second["order_id"].tolist()]

    assert len(set(ids)) == 4
    assert min(ids) >= 1 << 63


def test_an_empty_side_shows_nothing() -> None:
    """No levels, no orders; the first level that is shown later is all new."""
    unseen = Unseen()

    assert made(unseen, levels([], []), book_with()) == []
    assert made(unseen, levels([(100, 1)], []), book_with()) == [(BUY, 100, 1)]


def test_a_book_that_explains_more_than_is_shown_gets_no_order() -> None:
    """What is too much is not for made-up orders to mend."""
    assert made(Unseen(), levels([(100, 2)], []), book_with((1, BUY, 100, 3))) == []
