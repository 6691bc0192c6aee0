"""Keys chosen with malice: what somebody who knows the hash can do to a book."""

import pytest

from nextrade import OrderBook
from tests.fuzz.decoding import home_bucket
from tests.unit.core.books import SELL

BUCKETS = 10


@pytest.mark.parametrize("what", ["ids", "prices"])
def test_a_full_circle_of_passed_buckets_does_not_hang_the_book(what):
    """Every bucket of a hash map has been passed by some key; then one that is absent is sought.

    Twelve keys fill a bucket, the thirteenth passes on to the next one and stays when the others
    have gone; and so on all the way round.
    """
    keys = [[k for k in range(1, 2000) if home_bucket(k, BUCKETS) == b] for b in range(BUCKETS)]
    book = OrderBook()
    number = 10_000
    for bucket in [*range(BUCKETS), 0]:
        # The lowest asks leave the price map with their orders; the highest ones stay behind.
        some = [*keys[bucket][:12], keys[bucket].pop()]
        placed = []
        for key in some:
            number += 1
            order_id, price = (key, 5) if what == "ids" else (number, key)
            book.limit(order_id, SELL, price, 1)
            placed.append(order_id)
        for order_id in placed[:-1]:
            book.cancel(order_id)
    book.check_invariants()

    assert 10**9 not in book
    book.limit(10**9, SELL, 10**9, 1)

    assert 10**9 in book
    book.check_invariants()
