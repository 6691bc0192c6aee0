"""LOBSTER files made by a plain model of a book: the reader and both checks must agree with it."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nextrade import OrderBook
from nextrade.service.replay import Check, replay
from nextrade.service.replay.readers import lobster_messages, text_blocks

EMPTY = 9_999_999_999

steps = st.lists(
    st.tuples(st.integers(1, 5), st.integers(0, 10**6), st.integers(1, 30), st.integers(1, 9)),
    min_size=1,
    max_size=40,
)


class PlainBook:
    """Orders in a dictionary; writes the lines of both files as it goes."""

    def __init__(self, levels: int) -> None:
        self.levels = levels
        self.orders: dict[int, tuple[int, int, int]] = {}
        self.messages: list[str] = []
        self.rows: list[str] = []

    def do(self, kind: int, pick: int, price: int, size: int) -> None:
        """One message; what has no order to act on becomes a new order."""
        order = sorted(self.orders)[pick % len(self.orders)] if self.orders else 0
        if kind == 5:
            self.note(5, 0, size, price, 1)
        elif kind == 1 or not order:
            # Bids and asks stay apart: a recorded book is never crossed.
            direction = 1 if pick % 2 else -1
            order = 10 + 3 * len(self.messages)
            self.orders[order] = (100 - price if direction > 0 else 100 + price, size, direction)
            self.note(1, order, size, self.orders[order][0], direction)
        else:
            price, left, direction = self.orders.pop(order)
            taken = left if kind == 3 or size >= left else size
            if taken < left:
                self.orders[order] = (price, left - taken, direction)
            elif kind == 2:
                kind = 3
            self.note(kind, order, taken, price, direction)

    def note(self, kind: int, order: int, size: int, price: int, direction: int) -> None:
        """Write the message and the row after it."""
        time = f"34200.{len(self.messages):09d}"
        self.messages.append(f"{time},{kind},{order},{size},{price},{direction}")
        asks, bids = self.side(-1), self.side(1)
        fields = [
            field for pair in zip(asks, bids, strict=True) for level in pair for field in level
        ]
        self.rows.append(",".join(map(str, fields)))

    def side(self, direction: int) -> list[tuple[int, int]]:
        """The best levels of one side, filled up with empty ones."""
        total: dict[int, int] = {}
        for price, size, whose in self.orders.values():
            if whose == direction:
                total[price] = total.get(price, 0) + size
        best = sorted(total.items(), reverse=direction > 0)[: self.levels]
        return best + [(-direction * EMPTY, 0)] * (self.levels - len(best))


def write(folder: Path, plain: PlainBook, skip: int = 0) -> Path:
    """Both files, without the first lines if the file shall start inside the day."""
    messages = folder / f"X_2020-01-02_1_2_message_{plain.levels}.csv"
    messages.write_text("\n".join(plain.messages[skip:]) + "\n")
    book = messages.with_name(messages.name.replace("message", "orderbook"))
    book.write_text("\n".join(plain.rows[skip:]) + "\n")
    return messages


@given(steps, st.integers(1, 4))
def test_a_whole_day_agrees_completely(
    tmp_path_factory: pytest.TempPathFactory, todo: list[tuple[int, int, int, int]], levels: int
) -> None:
    """From an empty book no row is wrong in either check, and the same orders are left."""
    plain = PlainBook(levels)
    for step in todo:
        plain.do(*step)
    book = OrderBook()
    path = write(tmp_path_factory.mktemp("day"), plain)
    with pytest.MonkeyPatch.context() as patch:  # some lines at a time: every seam is tried
        read = text_blocks.blocks
        patch.setattr(lobster_messages, "blocks", lambda path: read(path, 250))
        report = replay(path, book=book)
    stepwise, rebuilt = report.checks

    assert (stepwise.rows, stepwise.wrong) == (len(todo) - 1, 0)
    assert rebuilt == Check(rebuilt.name, len(todo), 0)
    assert report.rejected == 0
    left = {int(o["order_id"]): (int(o["price_ticks"]), int(o["visible_lots"])) for o in book}
    assert left == {order: (price, size) for order, (price, size, _) in plain.orders.items()}


@given(steps, st.integers(1, 4), st.data())
def test_a_file_that_starts_inside_the_day_loses_only_what_it_never_names(
    tmp_path_factory: pytest.TempPathFactory,
    todo: list[tuple[int, int, int, int]],
    levels: int,
    data: st.DataObject,
) -> None:
    """Orders from before come in by what they lose later; nothing is refused, steps all agree."""
    plain = PlainBook(levels)
    for step in todo:
        plain.do(*step)
    skip = data.draw(st.integers(0, len(todo) - 1))
    book = OrderBook()
    report = replay(write(tmp_path_factory.mktemp("day"), plain, skip), book=book)

    assert report.rejected == 0
    assert report.checks[0].wrong == 0
    named = {int(line.split(",")[2]) for line in plain.messages[skip:]}
    for order in book:
        number = int(order["order_id"])
        assert number in named
        assert int(order["price_ticks"]) == plain.orders[number][0]
        assert int(order["visible_lots"]) <= plain.orders[number][1]
