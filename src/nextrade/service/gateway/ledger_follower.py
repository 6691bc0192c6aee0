"""Following the ledger's stream: each change of each bucket once, none left out unnoticed."""

from __future__ import annotations

from collections.abc import Mapping

from ...domain.protocol.changes import ChangeMessage
from ...errors import EventsMissing

__all__ = ["LedgerFollower"]


class LedgerFollower:
    """Lets through the next changes of each bucket, drops what came before, misses nothing.

    Relays may send the same changes twice, in whatever pieces; they never leave any out, for a
    change is sent only once all before it are confirmed. ``known`` is the next sequence that is
    wanted of some buckets; any other bucket begins with the first message of it that is seen.
    """

    def __init__(self, known: Mapping[int, int] | None = None) -> None:
        self.following: dict[int, int] = dict(known or {})
        """By bucket: the sequence of its next change."""
        self.repeats = 0
        """Messages that were dropped."""

    def accept(self, message: ChangeMessage) -> ChangeMessage | None:
        """The message, without what is known already; None if all of it is.

        Raises EventsMissing if changes before it did not come: then read the stream again from
        an earlier place, or ``skip_to`` this message and go without.
        """
        wanted = self.following.setdefault(message.bucket, message.first)
        if message.first > wanted:
            raise EventsMissing(
                f"bucket {message.bucket}: changes {wanted} to {message.first - 1} were not in the"
                f" stream before change {message.first}"
            )
        if message.after <= wanted:
            self.repeats += 1
            return None
        self.following[message.bucket] = message.after
        known = wanted - message.first
        return message._replace(first=wanted, changes=message.changes[known:])

    def skip_to(self, message: ChangeMessage) -> None:
        """Go on at this message, whatever was missed before it."""
        self.following[message.bucket] = message.first
