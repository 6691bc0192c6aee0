"""What must hold of client order ids: of one account and id one order runs, whatever is asked.

An id is kept with the money for its order, so these checks ask for both: an order that is open, or
came a short while ago, has its id in the bucket of its account; and every id there is that of an
order which got its money in a frame that ran.
"""

from itertools import pairwise
from typing import NamedTuple

from nextrade import EventKind
from nextrade.domain.buckets import bucket_of_account
from nextrade.domain.protocol.frames import Verdict, decode
from nextrade.domain.protocol.ids import milliseconds_of
from nextrade.domain.protocol.messages import Message

from .play import BUCKETS, Play
from .servers import Broken

SLACK_MS = 20
"""Clocks are off by some milliseconds."""

IN_USE = 142


class Named(NamedTuple):
    """A new order with a client order id, and how it came in."""

    account: int
    text: bytes
    order: int
    frame_ms: int
    batch_ms: int
    reason: int

    @property
    def held(self) -> bool:
        """Whether it got its money: those that the ledger or the door refuses do not."""
        return self.reason < 128


def names(play: Play, messages: list[Message], still: set[int]) -> None:
    """Raise Broken if a name was used twice, is kept for nobody, or is not kept; ``still`` are the
    orders that are open at the end."""
    ran = arrivals(play, messages)
    by_key: dict[tuple[int, bytes], list[Named]] = {}
    for one in ran:
        if one.held:
            by_key.setdefault((one.account, one.text), []).append(one)
    for key, ones in by_key.items():
        for before, after in pairwise(ones):
            if after.batch_ms - before.frame_ms < play.limits.named_ms - SLACK_MS:
                raise Broken(f"{key}: order {after.order} ran, and {before.order} shortly before")
    kept = {}
    for number, bucket in enumerate(play.world.buckets):
        for (account, text), what in bucket.ids.items():
            if bucket_of_account(account, BUCKETS) != number:
                raise Broken(f"the id {text!r} of account {account} is in bucket {number}")
            kept[account, text] = what[0]
    for key, order in kept.items():
        if order not in [one.order for one in by_key.get(key, [])]:
            raise Broken(f"{key} is kept for order {order}, which never got its money")
    now_ms = play.world.now_ns // 1_000_000
    for key, ones in by_key.items():
        for one in ones:
            young = now_ms - one.frame_ms < play.limits.named_ms - SLACK_MS
            if (young or one.order in still) and kept.get(key) != one.order:
                raise Broken(f"{key} of order {one.order} is not kept, but {kept.get(key)}")
    for one in ran:
        play.world.count("named")
        if one.reason == IN_USE:
            play.world.count("refused for its name")


def arrivals(play: Play, messages: list[Message]) -> list[Named]:
    """The named orders of all frames that ran, in the order of the stream."""
    sent = {
        (frame.identity, frame.crc): frame
        for frame in (decode(text) for texts in play.published.values() for text in texts)
    }
    found: list[Named] = []
    waiting: dict[int, tuple[int, bytes, int, int]] = {}
    for message in messages:
        if len(message.frames):
            waiting, first = {}, 0
            for identity, crc, records, verdict, _ in message.frames.tolist():
                if verdict == Verdict.RUN:
                    frame = sent[identity, crc]
                    for row, text in frame.names.tolist():
                        command = frame.records[row]
                        waiting[first + row] = (
                            *(int(command["owner"]), text),
                            *(int(command["order_id"]), milliseconds_of(identity)),
                        )
                first += records
            told = sorted((account, text, order) for order, account, text in message.ids.tolist())
            if told != sorted(one[:3] for one in waiting.values()):
                raise Broken(f"batch {message.batch} tells of the names {told}, not {waiting}")
        for event in message.events:
            command, kind = int(event["command"]), event["kind"]
            if command in waiting and kind in (EventKind.ACCEPTED, EventKind.REJECTED):
                batch_ms = message.time_ns // 1_000_000
                reason = int(event["reason"]) if kind == EventKind.REJECTED else 0
                found.append(Named(*waiting.pop(command), batch_ms, reason))
    return found
