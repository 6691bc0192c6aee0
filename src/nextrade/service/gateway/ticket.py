"""What a gateway gives for commands: a ticket for each part that travels in one frame."""

from __future__ import annotations

from concurrent.futures import Future
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

__all__ = ["Confirmed", "Submission", "Ticket"]


class Confirmed(NamedTuple):
    """A frame that the broker has on disk."""

    frame: int
    """Its id, by which the stream of events names it."""
    first: int
    """The position of the ticket's first command in the frame."""
    waited_ns: int
    """How long it took from the call to the confirmation."""


class Ticket:
    """Some commands of one call that travel together: one partition, one frame.

    ``confirmed`` is a Future of Confirmed. It fails with BusLost if the frame was not confirmed
    in time; then ``frame`` says whether it was sent: 0 means that nothing has happened and
    nothing will, any other number that it may yet run.
    """

    __slots__ = ("confirmed", "frame", "partition", "rows", "since_ns")

    def __init__(self, partition: int, rows: npt.NDArray[np.intp], since_ns: int) -> None:
        self.partition = partition
        self.rows = rows
        """Positions of its records in what the call was given."""
        self.since_ns = since_ns
        """When the call was made, on the monotonic clock."""
        self.frame = 0
        """The id of its frame, 0 while it waits."""
        self.confirmed: Future[Confirmed] = Future()
        self.confirmed.set_running_or_notify_cancel()  # what is on its way cannot be called back

    def __repr__(self) -> str:
        return f"<ticket of {len(self.rows)}, partition {self.partition}, frame {self.frame}>"


class Submission(NamedTuple):
    """What one call of ``submit`` did."""

    order_ids: npt.NDArray[np.uint64]
    """The order id of each command, with those that the gateway gave."""
    refusals: npt.NDArray[np.uint8]
    """For each command the Refusal or Reason for which it was not sent, 0 for none."""
    tickets: tuple[Ticket, ...]
    """What was sent."""
