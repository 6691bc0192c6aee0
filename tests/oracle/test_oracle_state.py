"""The oracle's canonical bytes, written out by hand once, and its clock."""

import hashlib
import random
import struct

from tests.oracle import auction
from tests.oracle.codes import CommandKind, OrderType, Side, TimeInForce, TradingState
from tests.oracle.oracle import Oracle
from tests.oracle.records import Command

PLACE = CommandKind.PLACE


def test_an_empty_book_is_its_header() -> None:
    """Nothing but zeros: open, clock 0, no last price, no trades, no orders."""
    assert Oracle().state_bytes() == bytes(49)


def test_canonical_bytes_are_header_and_orders() -> None:
    """Bids, asks, rising and falling orders follow the header, each in its order of priority."""
    oracle = Oracle()
    oracle.process(
        [
            Command(kind=PLACE, timestamp_ns=5, order_id=1, price_ticks=99, qty_lots=4, owner=7),
            Command(
                kind=PLACE,
                timestamp_ns=6,
                order_id=2,
                price_ticks=101,
                qty_lots=10,
                display_lots=3,
                side=Side.SELL,
                time_in_force=TimeInForce.GTD,
                expire_ns=50,
                post_only=1,
                self_trade=2,
            ),
            Command(
                kind=PLACE,
                timestamp_ns=7,
                order_id=3,
                price_ticks=110,
                qty_lots=8,
                display_lots=2,
                trigger_ticks=105,
                order_type=OrderType.STOP_LIMIT,
            ),
            Command(
                kind=PLACE,
                timestamp_ns=8,
                order_id=4,
                qty_lots=6,
                trigger_ticks=90,
                side=Side.SELL,
                order_type=OrderType.STOP_MARKET,
                time_in_force=TimeInForce.FOK,
            ),
            Command(kind=PLACE, timestamp_ns=9, order_id=5, price_ticks=101, qty_lots=4),
            Command(kind=CommandKind.CANCEL, timestamp_ns=99, order_id=77),
        ]
    )

    def order(*numbers, codes):
        return struct.pack("<Qqqqqqqq", *numbers) + struct.pack("<IBBBBBB", *codes) + bytes(6)

    expected = struct.pack("<BqqqQQQ", TradingState.OPEN, 9, 101, 2, 1, 1, 2)
    expected += order(1, 5, 99, 4, 0, 0, 0, 0, codes=(7, 0, 0, 0, 0, 0, 0))
    expected += order(2, 9, 101, 2, 4, 3, 0, 50, codes=(0, 0, 1, 3, 1, 2, 0))
    expected += order(3, 7, 110, 8, 0, 2, 105, 0, codes=(0, 4, 0, 0, 0, 0, 1))
    expected += order(4, 8, 0, 6, 0, 0, 90, 0, codes=(0, 3, 1, 2, 0, 0, 1))
    assert oracle.state_bytes() == expected
    digest = hashlib.blake2b(expected, digest_size=8).digest()
    assert oracle.state_hash() == int.from_bytes(digest, "little")


def test_the_clock_is_the_highest_time_of_what_was_not_refused() -> None:
    """Late commands and refused ones leave the clock alone."""
    oracle = Oracle()
    seen = []

    for command in [
        Command(kind=CommandKind.EXPIRE, timestamp_ns=-9),
        Command(kind=CommandKind.CANCEL, timestamp_ns=50),
        Command(kind=CommandKind.SET_STATE, timestamp_ns=20),
        Command(kind=CommandKind.EXPIRE, timestamp_ns=10),
    ]:
        oracle.process([command])
        seen.append(oracle.book.clock_ns)

    assert seen == [0, 0, 20, 20]


def test_trying_prices_near_limits_finds_what_trying_every_price_finds(monkeypatch) -> None:
    """Both ways of choosing candidate prices give the same auction price."""
    dice = random.Random(1)
    for _ in range(200):
        oracle = Oracle()
        commands = [Command(kind=CommandKind.SET_STATE, state=TradingState.AUCTION)]
        commands += [
            Command(
                kind=PLACE,
                order_id=order_id,
                side=dice.randrange(2),
                price_ticks=dice.randint(1, 20),
                qty_lots=dice.randint(1, 6),
            )
            for order_id in range(dice.randint(1, 8))
        ]
        oracle.process(commands)
        references = range(21)
        monkeypatch.setattr(auction, "NARROW", 20)
        every_price = [oracle.indicative(reference) for reference in references]

        monkeypatch.setattr(auction, "NARROW", -1)

        assert [oracle.indicative(reference) for reference in references] == every_price
