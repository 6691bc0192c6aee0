"""Snapshots: every damage is found, every contradiction refused, and nothing is forgotten."""

import struct

import numpy as np
import pytest

from nextrade import (
    ORDER_DTYPE,
    OrderBook,
    OrderType,
    PostOnly,
    TimeInForce,
    TradingState,
    _snapshot,
)
from nextrade.errors import SnapshotError
from tests.model.compiled import command_array
from tests.model.streams import stream
from tests.unit.core.books import BUY, SELL, auction_book, lively_book

HEADER = struct.Struct("<BqqqQQQ")
NAMES = ["state", "clock_ns", "last_price", "trade_count", "bids", "asks", "dormant"]


def refused(book, snapshot, match=None):
    """Restore bytes that must be refused, and see that the book is untouched."""
    before = book.snapshot()
    with pytest.raises(SnapshotError, match=match):
        book.restore(snapshot)
    assert book.snapshot() == before


def parts(book):
    """Header (by name) and records of a book's canonical state."""
    state = _snapshot.unpack(book.snapshot())
    header = dict(zip(NAMES, HEADER.unpack_from(state), strict=True))
    return header, np.frombuffer(state, ORDER_DTYPE, offset=HEADER.size).copy()


def joined(header, records):
    """A snapshot with a valid frame and checksum around whatever state."""
    return _snapshot.pack(HEADER.pack(*(header[name] for name in NAMES)) + records.tobytes())


# ---- the frame ------------------------------------------------------------------------


@pytest.mark.parametrize("change", [0x01, 0x80, 0xFF])
def test_every_damaged_byte_is_found(change):
    """Whichever byte of a snapshot changes, it is refused and the book stays as it is."""
    snapshot = lively_book().snapshot()
    book = OrderBook()
    before = book.state_hash()

    for place in range(len(snapshot)):
        damaged = bytearray(snapshot)
        damaged[place] ^= change
        with pytest.raises(SnapshotError):
            book.restore(bytes(damaged))

    assert book.state_hash() == before


def test_every_truncation_is_found():
    """No beginning of a snapshot is one, and neither is one with something behind it."""
    snapshot = lively_book().snapshot()
    book = OrderBook()
    before = book.state_hash()

    for length in range(len(snapshot)):
        with pytest.raises(SnapshotError):
            book.restore(snapshot[:length])
    for tail in (b"\0", b"\n", snapshot):
        with pytest.raises(SnapshotError, match="damaged"):
            book.restore(snapshot + tail)

    assert book.state_hash() == before


@pytest.mark.parametrize("foreign", [b"", b"\x80\x04K\x01.", b"PK\x03\x04" * 50, b"\0" * 500])
def test_foreign_bytes_are_refused(foreign):
    """The message says what the bytes should have been."""
    refused(lively_book(), foreign, match="not an order book snapshot")


@pytest.mark.parametrize("version", [0, 2, 2**32 - 1])
def test_another_version_is_refused(version):
    """Both versions are named, so that one knows which release to look for."""
    body = bytearray(lively_book().snapshot()[:-16])
    body[8:12] = struct.pack("<I", version)

    refused(OrderBook(), bytes(body) + b"\0" * 16, match=f"version {version} .* reads version 1")


@pytest.mark.parametrize("wrong", [None, "text", 7, [1], np.zeros(3), lively_book()], ids=repr)
def test_a_snapshot_is_bytes(wrong):
    """Anything else is a TypeError."""
    book = lively_book()
    before = book.state_hash()

    with pytest.raises(TypeError, match="bytes"):
        book.restore(wrong)

    assert book.state_hash() == before


def test_any_bytes_like_object_will_do():
    """bytes, bytearray and memoryview hold the same snapshot."""
    original = lively_book()
    snapshot = original.snapshot()

    for form in (snapshot, bytearray(snapshot), memoryview(snapshot)):
        assert OrderBook.from_snapshot(form).state_hash() == original.state_hash()


# ---- contradictions behind a valid checksum -------------------------------------------

# In the lively book: 0-2 are bids, 3-4 asks, 5-6 rising and 7-8 falling dormant orders.
BEST_BID, LAST_BID, FIRST_ASK, LAST_ASK, RISING, LAST_RISING, FALLING = 0, 2, 3, 4, 5, 6, 7

HEADERS = {
    "unknown state": {"state": 4},
    "one bid more": {"bids": 4},
    "one ask less": {"asks": 1},
    "bids counted as asks": {"bids": 2, "asks": 3},
    "asks counted as bids": {"bids": 4, "asks": 1},
    "dormant counted as asks": {"asks": 3, "dormant": 3},
    "asks counted as dormant": {"asks": 1, "dormant": 5},
    "counts that wrap around": {"bids": 2**64 - 1, "asks": 4, "dormant": 4 + 2},
    "huge counts": {"bids": 2**63, "asks": 2**63, "dormant": 9},
    "negative last price": {"last_price": -1},
    "negative trade count": {"trade_count": -1},
    "trades without a price": {"last_price": 0},
    "a price without trades": {"trade_count": 0},
    "a last price that triggers": {"last_price": 115},
    "a clock before its beginning": {"clock_ns": -1},
    "a clock behind an order": {"clock_ns": 5},
}


@pytest.mark.parametrize("changes", HEADERS.values(), ids=HEADERS)
def test_a_header_that_contradicts_its_orders_is_refused(changes):
    """Counts, prices, clock and state must fit, whatever the checksum says."""
    header, records = parts(lively_book())

    refused(OrderBook(), joined(header | changes, records), match="contradicts itself")


def set_field(index, **fields):
    """Change these fields of one record."""

    def change(records):
        for name, value in fields.items():
            records[name][index] = value

    return change


def swap(first, second):
    """Let two records change places."""

    def change(records):
        records[[first, second]] = records[[second, first]]

    return change


RECORDS = {
    "bids out of order": swap(0, 2),
    "asks out of order": set_field(FIRST_ASK, price_ticks=106),
    "a queue out of order": set_field(BEST_BID, timestamp_ns=10),
    "rising orders out of order": set_field(RISING, trigger_ticks=121),
    "falling before rising": swap(LAST_RISING, FALLING),
    "falling orders out of order": swap(7, 8),
    "a bid among the asks": swap(0, 3),
    "a resting order among the dormant": swap(0, 5),
    "crossed while open": set_field(BEST_BID, price_ticks=105),
    "an id twice": set_field(LAST_ASK, order_id=1),
    "a resting id that is dormant too": set_field(LAST_ASK, order_id=7),
    "unknown order type": set_field(BEST_BID, order_type=7),
    "unknown side": set_field(LAST_ASK, side=2),
    "unknown time in force": set_field(BEST_BID, time_in_force=4),
    "unknown post-only": set_field(BEST_BID, post_only=3),
    "unknown self-trade": set_field(BEST_BID, self_trade=5),
    "dormant is a flag": set_field(RISING, dormant=2),
    "a resting order that says dormant": set_field(BEST_BID, dormant=1),
    "a dormant order that says resting": set_field(RISING, dormant=0),
    "no quantity": set_field(BEST_BID, visible_lots=0, hidden_lots=0, display_lots=0),
    "negative quantity": set_field(LAST_BID, visible_lots=-1),
    "lowest quantity": set_field(LAST_BID, visible_lots=-(2**63)),
    "negative hidden quantity": set_field(BEST_BID, hidden_lots=-1),
    "negative display": set_field(BEST_BID, display_lots=-1),
    "no price": set_field(LAST_BID, price_ticks=0),
    "negative price": set_field(LAST_BID, price_ticks=-5),
    "lowest price": set_field(LAST_BID, price_ticks=-(2**63)),
    "price times quantity overflows": set_field(LAST_BID, visible_lots=2**62),
    "visible plus hidden overflows": set_field(
        BEST_BID, visible_lots=2**62, hidden_lots=2**62, display_lots=2**62
    ),
    "an expiry without GTD": set_field(LAST_BID, expire_ns=7),
    "a resting order with a trigger": set_field(LAST_BID, trigger_ticks=7),
    "a resting market order": set_field(LAST_BID, order_type=OrderType.MARKET),
    "a resting stop": set_field(LAST_BID, order_type=OrderType.STOP_LIMIT),
    "a resting fill-or-kill order": set_field(LAST_BID, time_in_force=TimeInForce.FOK, post_only=0),
    "an order for the auction while open": set_field(
        LAST_BID, time_in_force=TimeInForce.IOC, post_only=0
    ),
    "hidden without display": set_field(BEST_BID, display_lots=0),
    "more visible than displayed": set_field(BEST_BID, visible_lots=5),
    "a dormant limit order": set_field(RISING, order_type=OrderType.LIMIT),
    "a dormant order with hidden lots": set_field(RISING, hidden_lots=1),
    "a dormant order that is post-only": set_field(RISING, post_only=PostOnly.SLIDE),
    "a dormant order without trigger": set_field(RISING, trigger_ticks=0),
    "a dormant order with a negative trigger": set_field(FALLING, trigger_ticks=-1),
    "a dormant order without its price": set_field(RISING, price_ticks=0),
    "a dormant order that is due": set_field(RISING, trigger_ticks=100),
    "a market stop that is an iceberg": set_field(LAST_RISING, display_lots=1),
    "a reserved byte": set_field(BEST_BID, reserved=b"\0\0\0\0\0\1"),
}


@pytest.mark.parametrize("change", RECORDS.values(), ids=RECORDS)
def test_an_order_that_contradicts_the_book_is_refused(change):
    """Order, ids, codes, ranges and what goes with what, whatever the checksum says."""
    header, records = parts(lively_book())
    change(records)

    refused(OrderBook(), joined(header, records), match="contradicts itself")


def test_the_quantity_of_a_side_that_overflows_is_refused():
    """Each order fits by itself, but not all of them together."""
    book = OrderBook()
    for order_id in range(3):
        book.limit(order_id, BUY, 1, 2**61)
    header, records = parts(book)
    records["visible_lots"] = 2**62

    refused(OrderBook(), joined(header, records), match="contradicts itself")


@pytest.mark.parametrize(
    "fields",
    [
        {"post_only": PostOnly.REJECT},
        {"display_lots": 9},
        {"display_lots": 4, "visible_lots": 4, "hidden_lots": 5},
    ],
)
def test_an_order_for_the_auction_has_nothing_of_one_that_stays(fields):
    """Neither post-only nor iceberg: such a command would have been refused."""
    header, records = parts(auction_book())
    waiting = int(np.flatnonzero(records["order_id"] == 20)[0])
    set_field(waiting, **fields)(records)

    refused(OrderBook(), joined(header, records), match="contradicts itself")


def test_a_state_shorter_than_its_header_is_refused():
    """A valid frame around next to nothing."""
    for length in (0, 1, HEADER.size - 1):
        refused(lively_book(), _snapshot.pack(b"\0" * length), match="contradicts itself")


def test_random_states_are_refused_or_sound():
    """Bytes changed behind a valid checksum: a refusal, or a book that holds together."""
    header, records = parts(auction_book())
    state = HEADER.pack(*header.values()) + records.tobytes()
    dice = np.random.default_rng(5)
    book = OrderBook()
    sound = 0
    for _ in range(4000):
        changed = bytearray(state)
        for _ in range(int(dice.integers(1, 4))):
            changed[dice.integers(len(changed))] = int(dice.choice([0, 1, 2, 3, 127, 128, 255]))
        try:
            book.restore(_snapshot.pack(bytes(changed)))
        except SnapshotError:
            continue
        sound += 1
        book.check_invariants()
        assert book.snapshot() == _snapshot.pack(bytes(changed))
        book.process(command_array(stream(sound, 20)))
        book.check_invariants()
    assert 0 < sound < 4000


# ---- going on -------------------------------------------------------------------------


def halted_book():
    """A crossed book, halted in the middle of its auction."""
    book = auction_book()
    book.set_state(TradingState.HALTED)
    return book


def crossed_and_closed_book():
    """A crossed book that takes only cancels."""
    book = auction_book()
    book.set_state(TradingState.CANCEL_ONLY)
    return book


STATES = [OrderBook, lively_book, auction_book, halted_book, crossed_and_closed_book]


def follow_up(book):
    """What happens next: uncross, triggers, expiry, refreshes, priority, replaces, cancels."""
    answers = []
    if book.state != TradingState.OPEN:
        book.set_state(TradingState.AUCTION, timestamp_ns=30)
        answers += [book.indicative(), book.uncross(timestamp_ns=31).events.tobytes()]
    for step in (
        lambda: book.market(100, SELL, 3, timestamp_ns=40),
        lambda: book.limit(101, BUY, 125, 30, timestamp_ns=41),
        lambda: book.replace(11, qty_lots=3, timestamp_ns=42),
        lambda: book.replace(7, trigger_ticks=130, timestamp_ns=43),
        lambda: book.market(102, SELL, 12, timestamp_ns=44),
        lambda: book.expire(1500),
        lambda: book.market(103, SELL, quote_amount=2000, timestamp_ns=45),
        lambda: book.mass_cancel(3, timestamp_ns=46),
        lambda: book.expire(2500),
    ):
        try:
            answers.append(step().events.tobytes())
        except Exception as error:  # noqa: BLE001 - refusals are answers too
            answers.append(repr(error))
    events, levels = book.process(command_array(stream(2, 300)), levels=True)
    return [*answers, events.tobytes(), levels.tobytes(), book.snapshot()]


@pytest.mark.parametrize("make", STATES)
def test_a_restored_book_goes_on_byte_for_byte(make):
    """Used-up slices, stops, expiry, queue places and auction state all survive."""
    snapshot = make().snapshot()
    restored, reused = OrderBook.from_snapshot(snapshot), lively_book()
    reused.restore(snapshot)

    expected = follow_up(make())

    assert follow_up(restored) == expected
    assert follow_up(reused) == expected


@pytest.mark.parametrize("make", STATES)
def test_a_snapshot_of_a_restored_book_is_the_same(make):
    """Byte for byte, and with the same hash and views."""
    book = make()
    restored = OrderBook.from_snapshot(book.snapshot())

    restored.check_invariants()
    assert restored.snapshot() == book.snapshot()
    assert restored.state_hash() == book.state_hash()
    assert restored.orders().tobytes() == book.orders().tobytes()
    assert (restored.state, restored.clock_ns, restored.last_price, restored.trade_count) == (
        book.state,
        book.clock_ns,
        book.last_price,
        book.trade_count,
    )
