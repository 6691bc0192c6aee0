"""Client order ids in the buckets of a ledger: kept, told apart, looked up, forgotten."""

from typing import Any

import numpy as np
import pytest

from nextrade.domain.postings import KEPT_ID_DTYPE
from nextrade.domain.protocol.ids import Ids
from nextrade.domain.protocol.ports import Answer, Ask, Mark, Reserve, Settle
from nextrade.errors import MissingAnswer, StaleEpoch

from .calls import ANNA, BTC, USDT, has, named, postings, requests
from .homes import Home

BUCKETS = 6
TOUCHED = b"\x3f"
LONGEST = b"~" * 36
HELD, REFUSED, IN_USE, TOO_MANY = b"\1", b"\0", b"\2", b"\3"


class Desk:
    """A ledger in which Anna, and others at her bucket and elsewhere, have 100 each."""

    def __init__(self, home: Home, most_ids: int = 1_000_000) -> None:
        self.home = home
        self.ledger: Any = home.new(buckets=BUCKETS)
        self.batches: Any = type(self.ledger.batches)(self.ledger.shards, most_ids)
        of = self.ledger.map.of_account
        self.bucket = of(ANNA)
        self.neighbour = next(a for a in range(100, 200) if of(a) == self.bucket)
        self.far = next(a for a in range(100, 200) if of(a) != self.bucket)
        for account in (ANNA, self.neighbour, self.far):
            self.ledger.credit(f"d{account}", account, BTC, 100)
        self.batch = 0

    def ask(self, frame: int, *rows: tuple[int, int, bytes] | tuple[int, int, bytes, int]) -> Ask:
        """A frame: amount, order, id, and the account if it is not Anna's; market 7."""
        full = [
            (account[0] if account else ANNA, BTC, amount, order, 7, text)
            for amount, order, text, *account in rows
        ]
        return Ask(frame, named(*full).tobytes(), named=True)

    def reserve(self, *asks: Ask, partition: int = 0, epoch: int = 1) -> list[bytes]:
        """The answers to these frames at Anna's bucket."""
        watermark = self.batch if partition == 0 else 0
        wanted = [Reserve(self.bucket, watermark, asks)]
        return self.batches.turn(partition, epoch, [], wanted)[0]

    def settle(self, *frames: int, **more: Any) -> None:
        """The next batch at Anna's bucket, which moves nothing."""
        settle = Settle(
            self.bucket, self.batch + 1, self.batch, TOUCHED, b"", frames, **{"strict": True} | more
        )
        for _ in range(2):
            self.batches.turn(0, 1, [settle], [])
        self.batch += 1

    def kept(self, account: int = ANNA) -> dict[bytes, int]:
        """The ids of an account, and the orders they stand for."""
        from nextrade.service.ledger.redis.kept_ids import of_account

        records = of_account(self.ledger.shards, account)
        return {text: order for _, text, order, *_ in records.tolist()}

    def told(self) -> int:
        """How many ids Anna's bucket says that it keeps; it is what there are."""
        from nextrade.service.ledger.redis.bucket_state import bucket_states
        from nextrade.service.ledger.redis.scanning import walk

        (state,) = bucket_states(self.ledger.shards, [self.bucket])
        found = walk(self.ledger.shards, self.bucket)
        assert found.ids == state.ids
        assert found.faults == []
        return state.ids


@pytest.fixture
def desk(server_home: Home) -> Desk:
    """Give one over each home that has servers."""
    return Desk(server_home)


def test_id_is_taken_once(desk: Desk) -> None:
    """The second order of an id is refused and holds nothing, in the same call or a later one."""
    asks = (desk.ask(1, (5, 10, b"a"), (6, 11, b"a"), (7, 12, b"b")), desk.ask(2, (8, 13, b"b")))
    assert desk.reserve(*asks) == [HELD + IN_USE + HELD, IN_USE]
    assert has(desk.ledger, ANNA, BTC) == (88, 12)
    assert desk.reserve(desk.ask(3, (1, 14, b"a"), (1, 15, LONGEST))) == [IN_USE + HELD]
    assert desk.reserve(desk.ask(4, (2, 16, b"a")), partition=9) == [IN_USE]

    assert desk.kept() == {b"a": 10, b"b": 12, LONGEST: 15}
    assert desk.told() == 3
    assert has(desk.ledger, ANNA, BTC) == (87, 13)


def test_answers_are_kept_with_their_ids(desk: Desk) -> None:
    """Asking again answers the same and keeps nothing more, in whatever grouping it comes."""
    one = desk.ask(1, (5, 10, b"a"), (200, 11, b"b"), (5, 12, b"a"))
    two, plain = desk.ask(2, (5, 13, b"b")), Ask(3, requests((ANNA, BTC, 4)).tobytes())
    first = desk.reserve(one, plain, two)
    assert first == [HELD + REFUSED + IN_USE, HELD, HELD]
    desk.ledger.credit("more", ANNA, BTC, 1000)

    assert desk.reserve(plain) == [HELD]
    assert desk.reserve(two, one) == [HELD, HELD + REFUSED + IN_USE]
    assert desk.kept() == {b"a": 10, b"b": 13}
    assert desk.told() == 2
    assert desk.batches.fence(0, 2)[desk.bucket] == Mark(0, (1, 3, 2))
    answer = Answer(desk.bucket, one.requests, HELD + REFUSED + IN_USE, named=True)
    assert desk.batches.answers(0, 1) == [answer]
    assert desk.batches.answers(0, 3) == [Answer(desk.bucket, plain.requests, HELD)]
    assert desk.batches.sums(0).sums["held"].sum() == 14
    from nextrade.service.ledger.redis.scanning import walk

    held = {one.frame: one.held for one in walk(desk.ledger.shards, desk.bucket).waiting}
    assert held == {1: ((ANNA, BTC, 5),), 3: ((ANNA, BTC, 4),), 2: ((ANNA, BTC, 5),)}


def test_requests_without_an_id(desk: Desk) -> None:
    """In a frame with ids some orders may have none, and none of these is in another's way."""
    ask = desk.ask(1, (5, 10, b""), (5, 11, b""), (5, 12, b"a"), (500, 13, b""))

    assert desk.reserve(ask) == [HELD + HELD + HELD + REFUSED]
    assert desk.kept() == {b"a": 12}
    assert has(desk.ledger, ANNA, BTC) == (85, 15)


def test_each_account_has_its_own(desk: Desk) -> None:
    """The same id of another account is another id."""
    ask = desk.ask(1, (5, 10, b"a"), (5, 11, b"a", desk.neighbour), (5, 12, b"a", desk.neighbour))

    assert desk.reserve(ask) == [HELD + HELD + IN_USE]
    assert (desk.kept(), desk.kept(desk.neighbour)) == ({b"a": 10}, {b"a": 11})


def test_an_id_is_told_before_money(desk: Desk) -> None:
    """Who asks for too much under an id in use hears of the id; a refused order keeps none."""
    assert desk.reserve(desk.ask(1, (500, 10, b"a"), (5, 11, b"a"))) == [REFUSED + HELD]
    assert desk.reserve(desk.ask(2, (500, 12, b"a"))) == [IN_USE]

    assert desk.kept() == {b"a": 11}


def test_too_many_ids(server_home: Home) -> None:
    """A bucket that keeps as many as it may takes orders without an id; then others again."""
    desk = Desk(server_home, most_ids=3)
    ask = desk.ask(1, (1, 10, b"a"), (1, 11, b"b"), (1, 12, b"c"), (1, 13, b"d"), (1, 14, b"a"))
    assert desk.reserve(ask) == [HELD + HELD + HELD + TOO_MANY + IN_USE]
    assert desk.reserve(desk.ask(2, (1, 15, b"e"), (500, 16, b"f"), (1, 17, b""))) == [
        TOO_MANY + TOO_MANY + HELD
    ]
    assert has(desk.ledger, ANNA, BTC) == (96, 4)
    (records, _) = desk.batches.named(0, 2**50, desk.bucket)
    assert desk.batches.forget(0, 1, desk.bucket, records[:1]) == 1

    assert desk.reserve(desk.ask(3, (1, 18, b"e"), (1, 19, b"f"))) == [HELD + TOO_MANY]
    assert desk.told() == 3


def test_settling_keeps_ids(desk: Desk) -> None:
    """When its batch has settled the answer goes and the id stays, for whoever asks again."""
    desk.reserve(desk.ask(1, (5, 10, b"a")), desk.ask(2, (5, 11, b"b")))
    desk.settle(1)

    assert desk.kept() == {b"a": 10, b"b": 11}
    assert desk.reserve(desk.ask(3, (5, 12, b"a"))) == [IN_USE]
    assert desk.batches.fence(0, 1)[desk.bucket].waiting == (2, 3)


def test_frames_that_did_not_run(desk: Desk) -> None:
    """With a frame that did not run its ids go, and only those that it had kept itself."""
    desk.reserve(desk.ask(1, (5, 10, b"a"), (200, 11, b"c")), desk.ask(2, (5, 12, b"c")))
    desk.reserve(desk.ask(3, (5, 13, b"a"), (5, 14, b"d")))
    desk.settle(1, 3, void=True)
    assert desk.kept() == {b"c": 12}
    assert desk.told() == 1

    assert desk.reserve(desk.ask(4, (5, 15, b"a"), (5, 16, b"d"))) == [HELD + HELD]
    assert desk.told() == 3


def test_frame_whose_id_has_gone_over(desk: Desk) -> None:
    """An id that was forgotten, and belongs to another order by now, does not go with a frame."""
    desk.reserve(desk.ask(1, (5, 10, b"a")))
    (records, _) = desk.batches.named(0, 2**50, desk.bucket)
    desk.batches.forget(0, 1, desk.bucket, records)
    desk.reserve(desk.ask(2, (5, 11, b"a")))
    desk.settle(1, void=True)

    assert desk.kept() == {b"a": 11}
    assert desk.told() == 1


def test_lost_answer_is_noticed(desk: Desk) -> None:
    """A strict settlement is refused where a frame has no answer, and nothing of it is done."""
    desk.reserve(desk.ask(1, (5, 10, b"a")))
    legs = postings((ANNA, BTC, 5, -6)).tobytes()  # more than is held: the lost hold was part of it
    strict = Settle(desk.bucket, 1, 0, TOUCHED, legs, (1, 2), strict=True)
    for _ in range(2):
        with pytest.raises(MissingAnswer, match="so many of them: 1"):
            desk.batches.turn(0, 1, [strict], [])
    assert has(desk.ledger, ANNA, BTC) == (95, 5)
    legs = postings((ANNA, BTC, 5, -5)).tobytes()
    desk.batches.turn(0, 1, [strict._replace(frames=(1,), postings=legs)], [])
    assert has(desk.ledger, ANNA, BTC) == (100, 0)
    desk.batches.turn(0, 1, [strict], [])  # settled before
    with pytest.raises(MissingAnswer):
        desk.batches.turn(0, 1, [strict._replace(batch=2, previous=1, postings=b"")], [])
    lax = strict._replace(batch=2, previous=1, postings=b"", strict=False)

    assert desk.batches.turn(0, 1, [lax], []) == []


def test_ids_that_were_lost(desk: Desk) -> None:
    """A settlement brings ids back that a bucket has lost, once; only earlier frames give way."""
    desk.reserve(desk.ask(5, (5, 10, b"a")), desk.ask(1, (5, 9, b"c")))
    rows = [(ANNA, b"a", 90, 3, 0, 7), (ANNA, b"b", 91, 3, 0, 7), (ANNA, b"b", 92, 3, 0, 7)]
    rows.append((ANNA, b"c", 94, 3, 0, 7))
    rows.append((desk.neighbour, LONGEST, 93, 3, 0, 8))
    lost = np.array(rows, KEPT_ID_DTYPE)
    desk.settle(5, ids=lost.tobytes(), void=True)

    assert desk.kept() == {b"b": 91, b"c": 94}  # frame 5 is gone with its id, and was in the way
    assert desk.kept(desk.neighbour) == {LONGEST: 93}
    assert desk.told() == 3
    assert desk.reserve(desk.ask(4, (5, 15, b"b"))) == [IN_USE]


def test_ids_are_forgotten(desk: Desk) -> None:
    """Old ones are listed and forgotten, by their own partition, by whoever has its epoch."""
    now = [1_700_000_000_000]
    frame = Ids(3, lambda: now[0])
    desk.reserve(desk.ask(frame.one(), (1, 10, b"a"), (1, 11, b"b")))
    desk.reserve(desk.ask(frame.one(), (1, 12, b"other")), partition=4)
    now[0] += 5000
    desk.reserve(desk.ask(frame.one(), (1, 13, b"young")))
    old, cursor = desk.batches.named(0, now[0], desk.bucket)
    assert cursor == 0
    assert sorted(zip(old["text"], old["order"], old["market"], strict=True)) == [
        (b"a", 10, 7),
        (b"b", 11, 7),
    ]
    assert len(desk.batches.named(0, now[0] + 1, desk.bucket)[0]) == 3
    assert len(desk.batches.named(4, now[0], desk.bucket)[0]) == 1
    assert desk.batches.forget(4, 1, desk.bucket, old) == 0
    assert desk.batches.forget(0, 2, desk.bucket, old) == 2
    assert desk.batches.forget(0, 2, desk.bucket, old) == 0
    assert desk.batches.forget(0, 2, desk.bucket, old[:0]) == 0
    with pytest.raises(StaleEpoch):
        desk.batches.forget(0, 1, desk.bucket, old)
    with pytest.raises(StaleEpoch):  # to forget is to have taken over
        desk.reserve(desk.ask(frame.one(), (1, 14, b"x")))
    with pytest.raises(TypeError):
        desk.batches.forget(0, 2, desk.bucket, requests())

    assert desk.kept() == {b"other": 12, b"young": 13}
    assert desk.told() == 2


def test_many_ids_page_by_page(desk: Desk) -> None:
    """Thousands are kept by one call, listed in pages, and forgotten by one call."""
    count = 7000
    rows = [(ANNA, USDT, 1, k + 1, 7, b"order-%d" % k) for k in range(count)]
    desk.ledger.credit("dollars", ANNA, USDT, count)
    ask = Ask(1, named(*rows).tobytes(), named=True)
    assert desk.reserve(ask) == [HELD * count]
    assert desk.reserve(ask) == [HELD * count]
    parts, cursor, pages = [], None, 0
    while cursor != 0:
        part, cursor = desk.batches.named(0, 2**50, desk.bucket, cursor or 0)
        parts.append(part)
        pages += 1
    everything = np.unique(np.concatenate(parts))
    assert pages > 2
    assert len(everything) == desk.told() == count

    assert desk.batches.forget(0, 1, desk.bucket, everything) == count
    assert desk.told() == 0
    desk.settle(1, void=True)
    assert desk.told() == 0


def test_what_an_id_stands_for(desk: Desk) -> None:
    """Gateways are told order, market, partition and frame of each id they ask for."""
    desk.reserve(desk.ask(1, (5, 10, b"a"), (5, 2**62, LONGEST, desk.neighbour)))
    there = desk.ledger.map.of_account(desk.far)
    asked = Ask(2, named((desk.far, BTC, 1, 12, 8, b"a")).tobytes(), named=True)
    desk.batches.turn(9, 1, [], [Reserve(there, 0, (asked,))])
    accounts = [desk.far, ANNA, desk.neighbour, ANNA, desk.neighbour]
    texts = [b"a", b"b", LONGEST, b"a", b"a"]
    told = desk.home.again().client_orders(accounts, texts)

    assert told.tolist() == [
        (desk.far, b"a", 12, 2, 9, 8),
        (ANNA, b"b", 0, 0, 0, 0),
        (desk.neighbour, LONGEST, 2**62, 1, 0, 7),
        (ANNA, b"a", 10, 1, 0, 7),
        (desk.neighbour, b"a", 0, 0, 0, 0),
    ]
    assert len(desk.ledger.client_orders([], [])) == 0
    with pytest.raises(ValueError, match="at most 36"):
        desk.ledger.client_orders([ANNA], [b"x" * 37])


@pytest.mark.parametrize("account", [0x2A3F495B, 0x49494949, 0x5C5D2A5C, 0x00000A49])
def test_accounts_whose_bytes_mean_something(desk: Desk, account: int) -> None:
    """Where the number of an account reads like a pattern or a letter, its ids are found alone."""
    bucket = desk.ledger.map.of_account(account)
    other = next(a for a in range(account + 1, 2**32) if desk.ledger.map.of_account(a) == bucket)
    for one in (account, other):
        desk.ledger.credit(f"d{one}", one, BTC, 5)
    rows = [(account, BTC, 1, 10, 7, b"mine"), (other, BTC, 1, 11, 7, b"other")]
    ask = Ask(1, named(*rows).tobytes(), named=True)
    assert desk.batches.turn(0, 1, [], [Reserve(bucket, 0, (ask,))]) == [[HELD + HELD]]

    assert desk.kept(account) == {b"mine": 10}
    assert len(desk.batches.named(0, 2**50, bucket)[0]) == 2
