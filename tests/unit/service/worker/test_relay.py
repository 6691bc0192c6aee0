"""Relays that overlap, die and lose confirmations, against the plain truth of what happened."""

import struct
import threading
from collections.abc import Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st

from nextrade.domain.protocol import changes
from nextrade.domain.protocol.changes import Change, read_change_message
from nextrade.errors import BusLost
from nextrade.service.gateway.ledger_follower import LedgerFollower
from nextrade.service.worker.relay import LedgerRelay


class Waiting(NamedTuple):
    """What a relay reads."""

    bucket: int
    first: int
    records: tuple[bytes, ...]
    more: bool

    @property
    def after(self) -> int:
        return self.first + len(self.records)


@dataclass
class World:
    """Outboxes and a stream, as plain lists; the broker may lose a message or its answer."""

    history: list[list[bytes]] = field(default_factory=lambda: [[], []])
    first: list[int] = field(default_factory=lambda: [0, 0])
    stream: list[bytes] = field(default_factory=list)
    luck: str = "good"

    def happen(self, bucket: int) -> None:
        reference = f"{bucket}-{len(self.history[bucket])}"
        self.history[bucket].append(struct.pack("<HBIIqI", 6, 1, 1, 1, 1, 0) + reference.encode())

    def read(self, buckets: Iterable[int], most: int) -> list[Waiting]:
        found = []
        for bucket in buckets:
            begin, end = self.first[bucket], len(self.history[bucket])
            if begin < end:
                some = tuple(self.history[bucket][begin : begin + most])
                found.append(Waiting(bucket, begin, some, begin + most < end))
        return found

    def trim(self, kept: Sequence[tuple[int, int]]) -> list[bool]:
        done = []
        for bucket, number in kept:
            assert number <= len(self.history[bucket])
            done.append(number > self.first[bucket])
            self.first[bucket] = max(number, self.first[bucket])
        return done

    def send(self, body: bytes, _name: str) -> Future[None]:
        future: Future[None] = Future()
        if self.luck != "lost":
            self.stream.append(body)
        if self.luck == "good":
            future.set_result(None)
        else:
            future.set_exception(BusLost("gone"))
        return future


STEPS = st.lists(
    st.tuples(
        st.integers(0, 2),
        st.sampled_from(("happen", "happen", "read", "send", "trim", "die")),
        st.sampled_from(("good", "good", "good", "lost", "unconfirmed")),
    ),
    max_size=80,
)


@settings(max_examples=300)
@given(STEPS, st.integers(1, 3))
def test_a_consumer_sees_each_change_once_and_never_a_gap(
    steps: list[tuple[int, str, str]], most: int
) -> None:
    """Whatever relays do to each other: in order, none left out, and all in the end."""
    world = World()
    relays = [LedgerRelay(world, world.send) for _ in range(3)]
    for relay in relays:
        relay.read = lambda buckets: world.read(buckets, most)  # type: ignore[method-assign]
    hands: list[tuple[list, list] | None] = [None] * 3
    for number, what, luck in steps:
        relay, hand, world.luck = relays[number], hands[number], luck
        if what == "happen":
            world.happen(number % 2)
        elif what == "read":
            hands[number] = (list(relay.read((0, 1))), [])
        elif what == "send" and hand is not None and not hand[1]:
            hands[number] = hand[0], relay.send(hand[0])
        elif what == "trim" and hand is not None and hand[1]:
            relay.trim(*hand)
            hands[number] = None
        elif what == "die":
            hands[number] = None
    world.luck = "good"
    while relays[0].round((0, 1), threading.Event()).more:
        pass
    follower = LedgerFollower({0: 0, 1: 0})
    told: list[list[Change]] = [[], []]
    for body in world.stream:
        message = follower.accept(read_change_message(body))
        if message is not None:
            told[message.bucket] += message.changes

    assert told == [[Change.read(one) for one in own] for own in world.history]
    assert world.first == [len(own) for own in world.history]


def test_a_relay_that_trims_too_early_is_caught() -> None:
    """The test above is no idle one: trimming what is not confirmed loses changes for good."""
    world = World(luck="lost")
    world.happen(0)
    relay = LedgerRelay(world, world.send)
    read = relay.read((0, 1))
    relay.send(read)
    world.trim([(one.bucket, one.after) for one in read])

    assert world.stream == []
    assert relay.read((0, 1)) == []


def test_a_message_is_bounded() -> None:
    """A round takes at most a message of each bucket, and says that there is more."""
    world = World()
    for _ in range(changes.MOST_CHANGES + 1):
        world.happen(0)
    relay = LedgerRelay(world, world.send)
    first = relay.round((0, 1), threading.Event())
    second = relay.round((0, 1), threading.Event())

    assert (first.published, first.more) == (changes.MOST_CHANGES, True)
    assert (second.published, second.more, second.overtaken) == (1, False, False)
