"""The events of several partitions as one feed: decoded, each once, with what is missing said."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from queue import Empty, Full, Queue
from threading import Event, Thread
from types import TracebackType
from typing import NamedTuple, Protocol, Self

from ...domain.protocol.messages import Message, read_message
from ...errors import BadFrame, BusLost, BusRefused, EventsMissing
from .follower import Follower

__all__ = ["Feed", "News", "Reader"]

_STEP_S = 0.2
_MOST_WAITING = 256


class _Entry(Protocol):
    @property
    def offset(self) -> int: ...
    @property
    def body(self) -> bytes: ...


class Reader(Protocol):
    """A partition's stream, being read."""

    def read(self, timeout_s: float) -> Sequence[_Entry]:
        """What has come; waits at most so long."""
        ...

    def close(self) -> None:
        """Stop."""
        ...


class News(NamedTuple):
    """One message of the feed, or what is wrong with the stream here."""

    partition: int
    message: Message | None
    trouble: str


class Feed:
    """Follows partitions from a batch on, or from the next one that begins.

    Within a partition messages come in order; the partitions are not ordered among each other.
    ``open_reader`` opens the stream of a partition; all are open when the feed is made. What is
    missing or cannot be read is said in its place, and the feed goes on behind it.
    """

    def __init__(
        self,
        partitions: tuple[int, ...],
        open_reader: Callable[[int], Reader],
        batch: int | None = None,
    ) -> None:
        self._news: Queue[News | BusLost | BusRefused] = Queue(_MOST_WAITING)
        self._stop = Event()
        self._open = ExitStack()
        self._threads: list[Thread] = []
        try:
            for partition in partitions:
                reader = open_reader(partition)
                self._open.callback(reader.close)
                follower = Follower(partition, batch)
                self._threads.append(
                    Thread(target=self._follow, args=(reader, follower), daemon=True)
                )
        except BaseException:
            self._open.close()
            raise
        for thread in self._threads:
            thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stop following."""
        self._stop.set()
        for thread in self._threads:
            if thread.ident is not None:
                thread.join()
        self._open.close()

    def news(self, timeout_s: float) -> Iterator[News]:
        """What comes, without end, until nothing came for so long.

        Raises BusLost or BusRefused when a stream can be read no more.
        """
        while True:
            try:
                one = self._news.get(timeout=timeout_s)
            except Empty:
                return
            if isinstance(one, BusLost | BusRefused):
                raise one
            yield one

    def _follow(self, reader: Reader, follower: Follower) -> None:
        while not self._stop.is_set():
            try:
                entries = reader.read(_STEP_S)
            except (BusLost, BusRefused) as error:
                self._put(error)
                return
            for entry in entries:
                for one in _accepted(entry, follower):
                    self._put(one)

    def _put(self, one: News | BusLost | BusRefused) -> None:
        while not self._stop.is_set():
            try:
                self._news.put(one, timeout=_STEP_S)
            except Full:
                continue
            return


def _accepted(entry: _Entry, follower: Follower) -> Iterator[News]:
    partition = follower.partition
    try:
        message = read_message(entry.body)
    except BadFrame as error:
        said = f"partition {partition}, offset {entry.offset} of the stream: {error}"
        yield News(partition, None, said)
        return
    try:
        accepted = follower.accept(message)
    except EventsMissing as error:
        yield News(partition, None, str(error))
        if message.partition != partition:
            return
        follower.skip_to(message)
        accepted = follower.accept(message)
    if accepted is not None:
        yield News(partition, accepted, "")
