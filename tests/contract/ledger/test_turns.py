"""The ledger bucket by bucket, as the worker of a partition uses it: marks, turns, answers."""

import struct
from typing import Any

import numpy as np
import pytest

from nextrade.domain.protocol.ports import Answer, Ask, Mark, Reserve, Settle
from nextrade.errors import Gap, LedgerUnavailable, ReferenceReused, StaleEpoch

from .calls import ANNA, BERT, BTC, USDT, has, postings, requests
from .homes import Home

FAR = 5  # an account in another bucket than Anna's
TOUCHED = b"\x3f"
HIGH = 2**64 - 1  # frames are numbers of 64 bits


class Turns:
    """A ledger of six buckets in which Anna has 20, and who settles and reserves there."""

    def __init__(self, home: Home) -> None:
        self.home = home
        self.ledger: Any = home.new(buckets=6)
        self.ledger.credit("d", ANNA, BTC, 20)
        self.batches = self.ledger.batches
        self.anna, self.far = map(self.ledger.map.of_account, (ANNA, FAR))
        assert self.anna != self.far

    def reserve(self, watermark: int, *frames: tuple[int, list[tuple[int, int, int]]]) -> Reserve:
        """Requests of these frames at Anna's bucket."""
        parts = tuple(Ask(frame, requests(*rows).tobytes()) for frame, rows in frames)
        return Reserve(self.anna, watermark, parts)

    def settle(self, batch: int, *rows: tuple[int, int, int, int], frames: Any = ()) -> Settle:
        """A batch at Anna's bucket that follows the one before it there."""
        return Settle(self.anna, batch, batch - 1, TOUCHED, postings(*rows).tobytes(), frames)

    def take(self, epoch: int = 1) -> list[Mark]:
        """Fence partition 0."""
        return self.batches.fence(0, epoch)

    def has(self) -> tuple[int, int]:
        """What Anna has."""
        return has(self.ledger, ANNA, BTC)


@pytest.fixture
def turns(server_home: Home) -> Turns:
    """Give one over each home that has servers."""
    return Turns(server_home)


def six(amount: int) -> list[tuple[int, int, int]]:
    """One request of Anna's."""
    return [(ANNA, BTC, amount)]


def test_frames_in_one_call(turns: Turns) -> None:
    """Frames are answered in their order, each by itself, and again as they were."""
    turns.take()
    asked = turns.reserve(
        0, (HIGH, six(12)), (7, [*six(9), *six(3), *six(6)]), (8, six(5)), (9, six(2))
    )
    first = turns.batches.turn(0, 1, [], [asked])
    assert first == [[b"\1", b"\0\1\0", b"\1", b"\0"]]
    assert turns.has() == (0, 20)
    turns.ledger.credit("more", ANNA, BTC, 10)

    assert turns.batches.turn(0, 1, [], [asked]) == first
    regrouped = turns.reserve(0, (8, six(5)), (11, six(4)), (HIGH, six(12)))
    assert turns.batches.turn(0, 1, [], [regrouped]) == [[b"\1", b"\1", b"\1"]]
    again = turns.reserve(0, (8, six(5)), (12, six(1)), (12, six(1)))
    assert turns.batches.turn(0, 1, [], [again]) == [[b"\1", b"\1", b"\1"]]
    assert turns.has() == (5, 25)


def test_frame_that_asks_otherwise(turns: Turns) -> None:
    """A frame used with other requests is refused, and what came before it moves nothing."""
    turns.batches.turn(0, 1, [], [turns.reserve(0, (7, [*six(2), *six(3)]))])
    for other in (six(2), [*six(3), *six(2)], [*six(2), *six(3), *six(1)], []):
        with pytest.raises(ReferenceReused):
            turns.batches.turn(0, 1, [], [turns.reserve(0, (6, six(1)), (7, other))])
    assert turns.has() == (15, 5)
    assert turns.batches.answers(0, 6) == []
    other_partition = turns.reserve(0, (7, six(1)))

    assert turns.batches.turn(1, 1, [], [other_partition]) == [[b"\1"]]


def test_settle_then_reserve(turns: Turns) -> None:
    """In one turn a bucket settles first, so that what a batch brings may be reserved."""
    turns.batches.turn(0, 1, [], [turns.reserve(0, (1, six(20)))])
    settles = [turns.settle(1, (ANNA, BTC, 15, -20), frames=(1,))]
    reserves = [turns.reserve(1, (2, six(14)), (3, six(2)))]
    answers = turns.batches.turn(0, 1, settles, reserves)

    assert answers == [[b"\1", b"\0"]]
    assert turns.batches.turn(0, 1, settles, reserves) == answers
    assert turns.has() == (1, 14)
    assert turns.take(2)[turns.anna] == Mark(1, (2, 3))


def test_reserve_ahead_of_its_settle(turns: Turns) -> None:
    """A reservation that names a batch which is not settled yet is refused, until it is."""
    with pytest.raises(Gap):
        turns.batches.turn(0, 1, [], [turns.reserve(1, (1, six(1)))])
    assert turns.has() == (20, 0)
    turns.batches.turn(0, 1, [turns.settle(1)], [turns.reserve(1, (1, six(1)))])
    assert turns.has() == (19, 1)
    with pytest.raises(Gap):
        turns.batches.turn(0, 1, [], [turns.reserve(0, (2, six(1)))])

    assert turns.has() == (19, 1)


def test_waiting_answers(turns: Turns) -> None:
    """Whoever takes over learns which frames have answers where, and what they asked and got."""
    asked = [*six(12), (BERT, USDT, 5), *six(9)]
    frames = ((HIGH, asked), (3, six(1)), (4, six(2)))
    far = Reserve(turns.far, 0, (Ask(HIGH, requests((FAR, BTC, 2)).tobytes()),))
    turns.batches.turn(0, 1, [], [turns.reserve(0, *frames), far])
    marks = turns.take(2)
    assert [mark.waiting for mark in marks if mark.waiting] == (
        [(HIGH, 3, 4), (HIGH,)] if turns.anna < turns.far else [(HIGH,), (HIGH, 3, 4)]
    )
    assert marks[turns.anna] == Mark(0, (HIGH, 3, 4))
    of_anna = Answer(turns.anna, requests(*asked).tobytes(), b"\1\0\0")
    of_far = Answer(turns.far, requests((FAR, BTC, 2)).tobytes(), b"\0")
    assert turns.batches.answers(0, HIGH) == sorted([of_anna, of_far])
    assert turns.batches.answers(0, HIGH, [turns.far]) == [of_far]
    assert turns.batches.answers(1, HIGH) == []
    turns.batches.turn(0, 2, [turns.settle(1, frames=(HIGH, 4, 99))], [])

    assert turns.take(2)[turns.anna] == Mark(1, (3,))
    assert turns.take(2)[turns.far] == Mark(0, (HIGH,))
    assert turns.batches.answers(0, HIGH) == [of_far]


def test_stale_turn(turns: Turns) -> None:
    """Neither half of a turn of a lower epoch does anything, not even to what it did before."""
    settles, reserves = [turns.settle(1)], [turns.reserve(1, (1, six(1)))]
    turns.batches.turn(0, 1, settles, reserves)
    turns.take(3)
    for parts in ((settles, reserves), (settles, []), ([], reserves)):
        with pytest.raises(StaleEpoch):
            turns.batches.turn(0, 2, *parts)
    turns.batches.turn(0, 4, settles, reserves)  # a higher epoch is learnt from any call

    with pytest.raises(StaleEpoch):
        turns.take(3)
    assert turns.has() == (19, 1)


def test_sums_of_a_partition(turns: Turns) -> None:
    """The buckets' sums are those of the postings, and what is held is what was not used."""
    turns.batches.turn(0, 1, [], [turns.reserve(0, (1, six(9)), (2, six(4)))])
    turns.batches.turn(2, 1, [], [turns.reserve(0, (1, six(3)))])
    far = Settle(turns.far, 1, 0, TOUCHED, postings((FAR, BTC, 6, 0)).tobytes(), ())
    anna = turns.settle(1, (ANNA, BTC, 1, -7), frames=(1,))
    turns.batches.turn(0, 1, [anna, far], [])
    sums, waiting = turns.batches.sums(0)

    expected = [(turns.anna, BTC, -6, 6), (turns.far, BTC, 6, 0)]
    assert sums.tolist() == sorted(expected)
    assert waiting == [(2, Answer(turns.anna, requests(*six(4)).tobytes(), b"\1"))]
    assert turns.batches.sums(2).sums.tolist() == [(turns.anna, BTC, 0, 3)]
    assert [row.tolist() for row in turns.batches.sums(7)[:1]] == [[]]
    rows = turns.ledger.bucket_totals([turns.anna, turns.far]).tolist()
    assert rows == [(turns.anna, BTC, 5, 9, 20, 0, -6), (turns.far, BTC, 6, 0, 0, 0, 6)]


def test_sums_wrap_around(turns: Turns) -> None:
    """Sums that pass 64 bits over the years stop no batch, and totals made of them are exact."""
    turns.batches.turn(0, 1, [], [turns.reserve(0, (1, six(9)))])
    address = turns.ledger.shards.placement.address_of(turns.ledger.map, turns.anna)
    (server,) = [server for server in turns.home.servers if server.address == address]
    key, near = turns.ledger.map.key(turns.anna), 2**63 - 5
    with server.client() as client:
        # As if partition 0 had brought so much in, and two others had taken it away.
        client.hset(key, b"P" + struct.pack("<II", 0, BTC), struct.pack("<qq", near, 9))
        client.hset(key, b"P" + struct.pack("<II", 2, BTC), struct.pack("<qq", -near, 0))
        client.hset(key, b"P" + struct.pack("<II", 3, BTC), struct.pack("<qq", -9, 0))
        client.hset(key, b"N", struct.pack("<II", 1, 4))
    turns.batches.turn(0, 1, [turns.settle(1, (ANNA, BTC, 9, -9))], [])

    (row,) = turns.ledger.bucket_totals([turns.anna]).tolist()
    assert row == (turns.anna, BTC, 20, 0, 20, 0, 0)
    assert turns.batches.sums(0).sums.tolist() == [(turns.anna, BTC, 4 - 2**63, 0)]


def test_what_failed_is_sent_again_in_order(
    redis_home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever a connection breaks, no reservation arrives ahead of the settlement before it."""
    from nextrade.service.ledger.redis.link import Link

    send, receive = Link.send, Link.receive
    for at in range(1, 30):
        turns = Turns(redis_home)
        turns.batches.turn(0, 1, [], [turns.reserve(0, (1, six(20)))])
        count, arrived = [0], []

        def cut(link: Link, at: int = at, count: list[int] = count) -> None:
            count[0] += 1
            if count[0] == at:
                link.close()
                raise LedgerUnavailable("cut")

        def cut_send(
            link: Link, commands: list[bytes], cut: Any = cut, arrived: list = arrived
        ) -> None:
            cut(link)
            arrived += [b"settle" if b"_settle" in command else b"reserve" for command in commands]
            send(link, commands)

        def cut_receive(link: Link, cut: Any = cut) -> Any:
            reply = receive(link)
            cut(link)
            return reply

        settles = [turns.settle(1, (ANNA, BTC, 20, -20), frames=(1,))]
        reserves = [turns.reserve(1, (2, six(8))), turns.reserve(1, (3, six(9)))]
        with monkeypatch.context() as patched:
            patched.setattr(Link, "send", cut_send)
            patched.setattr(Link, "receive", cut_receive)
            assert turns.batches.turn(0, 1, settles, reserves) == [[b"\1"], [b"\1"]]
        assert turns.has() == (3, 17)
        assert arrived[0] == b"settle"
        if count[0] < at:
            break

    assert 3 < at < 29


@pytest.mark.parametrize("error", ["OOM no memory", "READONLY a replica", "MOVED 1 nowhere:1"])
def test_settle_that_must_wait(
    redis_home: Home, monkeypatch: pytest.MonkeyPatch, error: str
) -> None:
    """When a settlement is put off, what stands behind it in its bucket waits; others do not."""
    from nextrade.service.ledger.redis.link import Link, ReplyError

    turns = Turns(redis_home)
    turns.batches.turn(0, 1, [], [turns.reserve(0, (1, six(20)))])
    send, sent = Link.send, []

    def put_off(link: Link, commands: list[bytes]) -> None:
        kinds = [b"_settle" in command for command in commands]
        if not any(any(kinds) for kinds in sent):
            # The server does not carry it out, and the ones behind it arrive.
            commands = [
                command.replace(b"nextrade_settle", b"nextrade_nought") if kind else command
                for command, kind in zip(commands, kinds, strict=True)
            ]
        sent.append(kinds)
        send(link, commands)

    receive = Link.receive

    def refused(link: Link) -> Any:
        reply = receive(link)
        return ReplyError(error) if isinstance(reply, ReplyError) else reply

    monkeypatch.setattr(Link, "send", put_off)
    monkeypatch.setattr(Link, "receive", refused)
    far = Reserve(turns.far, 0, (Ask(2, requests((FAR, BTC, 2)).tobytes()),))
    settles = [turns.settle(1, (ANNA, BTC, 20, -20), frames=(1,))]
    answers = turns.batches.turn(0, 1, settles, [turns.reserve(1, (2, six(8))), far])

    assert answers == [[b"\1"], [b"\0"]]
    assert [kinds for kinds in sent if any(kinds)][-1] == [True, False]
    assert turns.has() == (12, 8)


def test_large_turns(turns: Turns) -> None:
    """A call with more than one command of Redis takes is done whole, and repeated whole."""
    count = 9_000
    turns.ledger.credit("all", ANNA, BTC, count)
    accounts = np.arange(1, 8 * count)
    accounts = accounts[turns.ledger.map.of_accounts(accounts) == turns.anna][:count]
    legs = np.zeros(len(accounts), postings().dtype)
    legs["account"], legs["asset"], legs["available"] = accounts, BTC, 1
    legs[accounts == ANNA] = (ANNA, BTC, 20, 0)
    turns.batches.turn(0, 1, [Settle(turns.anna, 1, 0, TOUCHED, legs.tobytes(), ())], [])
    asked = np.zeros(len(accounts), requests().dtype)
    asked["account"], asked["asset"], asked["amount"] = accounts, BTC, 1
    frames = tuple(Ask(k, asked[k : k + 1].tobytes()) for k in range(len(asked)))
    reserve = Reserve(turns.anna, 1, frames)

    for _ in range(2):
        assert turns.batches.turn(0, 1, [], [reserve]) == [[b"\1"] * len(accounts)]
    assert turns.take(1)[turns.anna] == Mark(1, tuple(range(len(accounts))))
    ending = Settle(turns.anna, 2, 1, TOUCHED, b"", tuple(range(1, len(accounts))))
    turns.batches.turn(0, 1, [ending], [])
    assert turns.take(1)[turns.anna] == Mark(2, (0,))
    assert turns.batches.sums(0).sums.tolist()[0][3] == len(accounts)


def test_calls_leave_nothing_behind(turns: Turns) -> None:
    """What one call touched, and in which order, does not show in the sums of the next."""
    other = next(a for a in range(100, 200) if turns.ledger.map.of_account(a) == turns.anna)
    turns.ledger.credit("dollars", ANNA, USDT, 50)
    turns.ledger.credit("others", other, USDT, 60)
    turns.ledger.credit("coins", other, BTC, 70)
    first = turns.reserve(0, (1, [(ANNA, BTC, 1), (ANNA, USDT, 2), (other, BTC, 3)]))
    second = turns.reserve(0, (2, [(ANNA, USDT, 4), (other, BTC, 5), (other, USDT, 6)]))
    third = turns.reserve(0, (3, [(other, USDT, 7), (ANNA, BTC, 100)]))
    turns.batches.turn(0, 1, [], [first, second, third])
    assert turns.batches.sums(0).sums.tolist() == [
        (turns.anna, BTC, 0, 9),
        (turns.anna, USDT, 0, 19),
    ]
    turns.batches.turn(0, 1, [turns.settle(1, (ANNA, BTC, 0, -1), (ANNA, USDT, 0, -2))], [])
    turns.batches.turn(0, 1, [turns.settle(2, (ANNA, USDT, 0, -4), (other, BTC, 0, -3))], [])
    turns.batches.turn(0, 1, [turns.settle(3, (other, USDT, 0, -6))], [])

    assert turns.batches.sums(0).sums.tolist() == [
        (turns.anna, BTC, -4, 5),
        (turns.anna, USDT, -12, 7),
    ]
    assert has(turns.ledger, other, USDT) == (47, 7)
