"""Bitstamp logs small enough to read: what each line becomes, and what is passed over."""

from pathlib import Path

import pytest

from nextrade import Side
from nextrade.service.replay.messages import UNKNOWN, Action, Aggressors, Flag
from nextrade.service.replay.readers import bitstamp_orders, open_source, unpacked
from nextrade.service.replay.readers.bitstamp import Bitstamp, recognises
from nextrade.service.replay.readers.source import BadRecords, Recording

from .bitstamp_log import Log, brief, everything

FIRST_MS = 1_430_438_404_000


@pytest.fixture
def log(tmp_path: Path) -> Log:
    """An empty log."""
    return Log(tmp_path / "btcusd.log")


def test_amounts_fall_by_what_was_filled(log: Log) -> None:
    """Created, changed twice, and deleted with nothing left: three fills of known size."""
    log.order("created", 10, "236.47", "2.00000000", side=1)
    log.order("changed", 10, "236.47", "1.5", side=1)
    log.order("changed", 10, "236.47", "0.50000001", side=1)
    log.order("deleted", 10, "236.47", "0.00000000", side=1)
    messages = everything(log.open())

    assert brief(messages) == [
        (Action.ADD, 10, 23_647, 200_000_000, 200_000_000),
        (Action.FILL, 10, 23_647, 50_000_000, 150_000_000),
        (Action.FILL, 10, 23_647, 99_999_999, 50_000_001),
        (Action.FILL, 10, 23_647, 50_000_001, 0),
    ]
    assert messages["side"].tolist() == [Side.SELL] * 4
    assert messages["flags"].tolist() == [Flag.LAST] * 4
    assert messages["place"].tolist() == [1, 2, 3, 4]
    assert messages["timestamp_ns"].tolist() == [(FIRST_MS + n) * 10**6 for n in range(4)]


def test_a_deletion_with_an_amount_is_a_cancellation(log: Log) -> None:
    """What is left is its quantity; if less is left than was known, the rest traded before."""
    log.order("created", 10, "1.00", "2").order("deleted", 10, "1.00", "2")
    log.order("created", 11, "1.00", "2").order("deleted", 11, "1.00", "0.5")
    messages = everything(log.open())

    assert brief(messages) == [
        (Action.ADD, 10, 100, 200_000_000, 200_000_000),
        (Action.CANCEL, 10, 100, 200_000_000, 0),
        (Action.ADD, 11, 100, 200_000_000, 200_000_000),
        (Action.FILL, 11, 100, 150_000_000, 50_000_000),
        (Action.CANCEL, 11, 100, 50_000_000, 0),
    ]
    assert messages["flags"].tolist() == [Flag.LAST] * 3 + [0, Flag.LAST]
    assert messages["place"].tolist() == [1, 2, 3, 4, 4]


def test_another_price_is_a_replacement(log: Log) -> None:
    """A market order is priced anew at each step; what falls after that is a fill."""
    log.order("created", 10, "235.69", "2.35287878")
    log.order("changed", 10, "235.84", "2.35138229")  # the same sum buys less
    log.order("changed", 10, "235.84", "1.35138229")
    log.order("changed", 10, "235.84", "1.4")  # grown: nothing but a replacement can do that

    assert brief(everything(log.open()))[1:] == [
        (Action.REPLACE, 10, 23_584, 235_138_229, 235_138_229),
        (Action.FILL, 10, 23_584, 100_000_000, 135_138_229),
        (Action.REPLACE, 10, 23_584, 140_000_000, 140_000_000),
    ]


def test_an_order_from_before_shows_what_is_left_of_it(log: Log) -> None:
    """Its first fall is not known; the later ones are."""
    log.order("changed", 5, "1.00", "2")  # before any creation, so from before the file
    log.order("created", 10, "3.00", "1")
    log.order("changed", 5, "1.00", "1.5").order("deleted", 5, "1.00", "1.5")
    log.order("deleted", 6, "1.00", "0").order("deleted", 7, "1.00", "4")
    recording = log.open()

    assert brief(everything(recording)) == [
        (Action.FILL, 5, 100, 0, 200_000_000),
        (Action.ADD, 10, 300, 100_000_000, 100_000_000),
        (Action.FILL, 5, 100, 50_000_000, 150_000_000),
        (Action.CANCEL, 5, 100, 150_000_000, 0),
        (Action.FILL, 6, 100, 0, 0),
        (Action.CANCEL, 7, 100, 400_000_000, 0),
    ]
    assert recording.remarks() == []


def test_what_comes_late_or_twice_is_passed_over_and_counted(log: Log) -> None:
    """A creation after the deletion, a second deletion, a change after it, a second creation."""
    log.order("created", 10, "1.00", "1")
    log.order("deleted", 12, "1.00", "1").order("created", 12, "1.00", "1")  # late
    log.order("deleted", 10, "1.00", "1").order("deleted", 10, "1.00", "1")  # twice
    log.order("changed", 10, "1.00", "0.5")
    log.order("created", 11, "1.00", "1").order("created", 11, "1.00", "3")
    log.order("deleted", 5, "1.00", "1").order("deleted", 5, "1.00", "1")  # from before, twice
    log.order("changed", 13, "1.00", "2").order("created", 13, "1.00", "3")  # changed too early
    recording = log.open()

    assert [(said[0], said[1]) for said in brief(everything(recording))] == [
        (Action.ADD, 10),
        (Action.CANCEL, 10),
        (Action.ADD, 11),
        (Action.CANCEL, 5),
        (Action.ADD, 13),
    ]
    assert recording.remarks() == [
        "2 creations of orders that were open or gone already were passed over",
        "5 changes and deletions of orders that were not open were passed over",
    ]


def test_a_change_to_nothing_is_a_deletion(log: Log) -> None:
    """All that was left is filled, and the deletion that follows says nothing new."""
    log.order("created", 10, "1.00", "1").order("changed", 10, "1.00", "0")
    log.order("deleted", 10, "1.00", "0")

    assert brief(everything(log.open()))[1:] == [(Action.FILL, 10, 100, 100_000_000, 0)]


def test_ids_that_left_early_are_remembered_in_bounded_memory(
    log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of two deletions without an order only the later one still stops a creation."""
    monkeypatch.setattr(bitstamp_orders, "KEPT_GONE", 1)
    monkeypatch.setattr(unpacked, "BLOCK_BYTES", 100)
    log.order("created", 10, "1.00", "1")
    log.order("deleted", 12, "1.00", "1").order("deleted", 11, "1.00", "1")
    log.order("created", 11, "1.00", "1").order("created", 12, "1.00", "1")

    assert [said[1] for said in brief(everything(log.open()))] == [10, 12]


def test_trades_name_no_order_and_are_rounded_exactly(log: Log) -> None:
    """Digits that a float left go to the nearest lot, halves upwards, exponents as well."""
    log.trade("236.46999999999999", "1.7885566900000001")
    log.trade("236.5", "8.8351857299999992").trade("0.015", "1.5e-08").trade("1e2", "2E-8")
    messages = everything(log.open())

    assert brief(messages) == [
        (Action.TRADE, 0, 23_647, 178_855_669, UNKNOWN),
        (Action.TRADE, 0, 23_650, 883_518_573, UNKNOWN),
        (Action.TRADE, 0, 2, 2, UNKNOWN),
        (Action.TRADE, 0, 10_000, 2, UNKNOWN),
    ]
    assert messages["side"].tolist() == [Side.NONE] * 4


def test_books_show_levels_after_the_messages_before_them(log: Log) -> None:
    """At most twenty levels a side, zeros where there are fewer, and no message of their own."""
    log.order("created", 10, "1.00", "1")
    log.book([("2.00", "3"), ("1.99", "0.5")], [])
    log.trade("1", "1").trade("1", "1")
    many = [(f"{n}.00", f"{n}") for n in range(1, 26)]
    log.book([], many).book([], [])
    (part,) = log.open().parts()
    assert part.depth is not None
    levels = part.depth.levels

    assert len(part.messages) == 3
    assert part.depth.after.tolist() == [1, 3, 3]
    assert not part.depth.orders_known
    assert levels.shape == (3, 2, 20)
    assert levels[0, 0].tolist() == [(200, 300_000_000, 0), (199, 50_000_000, 0)] + [(0, 0, 0)] * 18
    assert not levels[0, 1]["qty_lots"].any()
    assert levels[1, 1].tolist() == [(n * 100, n * 10**8, 0) for n in range(1, 21)]
    assert not levels[2]["price_ticks"].any()


def test_a_clock_that_is_set_back_does_not_turn_time(log: Log) -> None:
    """Times of receipt never step back, also between blocks."""
    log.order("created", 10, "1.00", "1", at=FIRST_MS + 9).trade("1", "1", at=FIRST_MS)
    log.order("deleted", 10, "1.00", "1", at=FIRST_MS + 10)
    recording = log.open()
    expected = [(FIRST_MS + n) * 10**6 for n in (9, 9, 10)]

    assert everything(recording)["timestamp_ns"].tolist() == expected
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(unpacked, "BLOCK_BYTES", 60)
        assert everything(recording)["timestamp_ns"].tolist() == expected


def test_json_may_be_written_in_any_way(log: Log) -> None:
    """Other spaces, another order of keys, keys that are not known, Windows line ends."""
    log.path.write_bytes(
        b'5 order_created {"id":1,"order_type":0,"amount":"1","price":"1.00","x":{"y":[1]}}\r\n'
        b'6 trade {"price": "1.0" , "amount": 2}\r\n'
    )

    assert brief(everything(log.open(written=True))) == [
        (Action.ADD, 1, 100, 100_000_000, 100_000_000),
        (Action.TRADE, 0, 100, 200_000_000, UNKNOWN),
    ]


@pytest.mark.parametrize(
    ("price", "decimals"), [("236.47", 2), ("5", 2), ("0.01234", 5), ("0.0123456789", 8)]
)
def test_a_tick_is_as_small_as_the_first_price_says(log: Log, price: str, decimals: int) -> None:
    """At least two decimals, and eight at most."""
    log.order("created", 10, price, "1")

    assert log.open().price_decimals == decimals


def test_a_book_can_tell_the_decimals(log: Log) -> None:
    """A file may begin with the levels."""
    log.book([("0.12345", "1")], [])
    (part,) = log.open().parts()
    assert part.depth is not None

    assert log.open().price_decimals == 5
    assert part.depth.levels[0, 0, 0].tolist() == (12_345, 100_000_000, 0)


def test_what_the_recording_says_of_itself(log: Log) -> None:
    """Aggressors are not linked to their fills; the first line tells the format."""
    recording = open_source(log.order("created", 10, "1.00", "1").open().path)

    assert isinstance(recording, Bitstamp)
    assert isinstance(recording, Recording)
    assert recording.aggressors is Aggressors.UNLINKED
    assert recording.qty_decimals == 8
    assert recording.markets == ["btcusd"]
    assert not recording.starts_empty
    assert not recording.shows_auctions
    assert recognises(b'1430438404518 order_book {"bids": [')
    assert not recognises(b'1430438404518 order_placed {"price": ')
    assert not recognises(b"")
    assert Bitstamp(log.path, BadRecords()).length == log.path.stat().st_size
