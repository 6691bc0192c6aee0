"""Following a stream of events: each fact once, none left out unnoticed."""

from __future__ import annotations

from ...domain.protocol.messages import Message
from ...errors import EventsMissing

__all__ = ["Follower"]


class Follower:
    """Lets through the next message of one partition, drops what came before, misses nothing.

    A stream has a message again after a worker crashed or lost its connection; what it says is
    the same, and so is the name of each fact: (partition, batch, index). ``batch`` is the first
    that is wanted; without it, the first batch that begins here.
    """

    def __init__(self, partition: int, batch: int | None = None) -> None:
        self.partition = partition
        self.batch = batch
        """The batch of the next fact; None until a first batch began."""
        self.index = 0
        """The index of the next fact in its batch."""
        self.repeats = 0
        """Messages that were dropped."""

    def accept(self, message: Message) -> Message | None:
        """The message, without what is known already; None if all of it is.

        Raises EventsMissing if something before it did not come: then read the stream again
        from an earlier place, or ``skip_to`` this message and go without.
        """
        if message.partition != self.partition:
            raise EventsMissing(
                f"a message of partition {message.partition} in the stream of {self.partition}"
            )
        if self.batch is None:
            if message.first_index:  # the rest of a batch whose beginning was before our time
                return None
            self.batch = message.batch
        if message.batch < self.batch:
            self.repeats += 1
            return None
        if message.batch > self.batch or message.first_index > self.index:
            raise EventsMissing(
                f"partition {self.partition}: batch {self.batch} from fact {self.index} on was not"
                f" in the stream before batch {message.batch}, fact {message.first_index}"
            )
        known = self.index - message.first_index
        if known and message.next_index <= self.index:
            self.repeats += 1
            return None
        self._after(message)
        return _without(message, known) if known else message

    def skip_to(self, message: Message) -> None:
        """Go on at this message, whatever was missed before it."""
        self.batch, self.index = message.batch, message.first_index

    def _after(self, message: Message) -> None:
        if message.more:
            self.batch, self.index = message.batch, message.next_index
        else:
            self.batch, self.index = message.batch + 1, 0


def _without(message: Message, known: int) -> Message:
    """A message without its first facts."""
    levels = max(known - len(message.events), 0)
    return message._replace(
        first_index=message.first_index + known,
        events=message.events[known:],
        markets=message.markets[known:],
        levels=message.levels[levels:],
        level_markets=message.level_markets[levels:],
    )
