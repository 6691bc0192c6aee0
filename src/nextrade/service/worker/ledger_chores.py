"""What a worker does for the ledger beside matching: relay outboxes, end broken-off transfers.

On a thread of its own with connections of its own: a broker or a shard that is down makes it
wait and costs the matching nothing. Every worker process has one; they need not know of each
other.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable, Iterable
from functools import partial
from typing import Final

from ...errors import BusRefused, NexTradeError
from ..ledger.redis import RedisLedger
from ..ledger.redis.outboxes import Outboxes
from .relay import LedgerRelay, Round

__all__ = ["LedgerChores", "TransferSweeper"]

PATIENCE_S: Final = 1.0
"""For how long a shard that does not answer is asked again, before the others have their turn."""
_IDLE_S: Final = 0.5
_TROUBLE_S: Final = 2.0
_OVERTAKEN_S: Final = 3.0
_SWEEP_S: Final = 5.0
_BEGUN_S: Final = 10.0

_log = logging.getLogger("nextrade.ledger")


class TransferSweeper:
    """Ends transfers that their callers left half way.

    A transfer that is seen for the first time may be one that goes on as it should; one that is
    still there after ``patience_s`` is ended. To end it twice, or while its caller does, is
    harmless.
    """

    def __init__(
        self,
        ledger: RedisLedger,
        patience_s: float = _BEGUN_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ledger = ledger
        self._outboxes = Outboxes(ledger.shards)
        self._patience_s = patience_s
        self._clock = clock
        self._seen: dict[int, dict[bytes, float]] = {}
        self._stuck: set[bytes] = set()

    def sweep(self, buckets: Iterable[int]) -> int:
        """Look once at these buckets; returns how many transfers were ended."""
        chosen, now = list(buckets), self._clock()
        unfinished = self._outboxes.unfinished(chosen)
        before = {bucket: self._seen.get(bucket, {}) for bucket in chosen}
        self._seen |= {bucket: {} for bucket in chosen}
        ended = 0
        for bucket, name in unfinished:
            since = self._seen[bucket][name] = before[bucket].get(name, now)
            if now - since >= self._patience_s:
                ended += self._end(bucket, name)
        return ended

    def _end(self, bucket: int, name: bytes) -> bool:
        shown = name.decode("utf-8", "replace")
        try:
            done = self._ledger.finish_transfer(bucket, name)
        except NexTradeError as error:
            if name not in self._stuck:
                self._stuck.add(name)
                _log.warning("transfer %s cannot be ended yet: %s", shown, error)
            return False
        self._stuck.discard(name)
        if done:
            _log.info("ended transfer %s, which was left half way", shown)
        return done


class LedgerChores:
    """The thread. ``open_ledger`` connects to the ledger, ``relay`` makes a relay of it."""

    def __init__(
        self,
        open_ledger: Callable[[], RedisLedger],
        relay: Callable[[RedisLedger], LedgerRelay],
        declare: Callable[[], None],
        stop: threading.Event,
    ) -> None:
        self._open_ledger = open_ledger
        self._relay = relay
        self._declare = declare
        self._stop = stop
        self._thread = threading.Thread(target=self._run, name="ledger chores", daemon=True)
        self._rests: dict[str, float] = {}
        self._troubles: dict[str, str] = {}

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def join(self) -> None:
        """Wait until it has ended; it ends soon after it was told to stop."""
        self._thread.join(3 * PATIENCE_S)

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                ledger = self._open_ledger()
            except NexTradeError as error:
                self._say("the ledger", error)
                self._stop.wait(_TROUBLE_S)
                continue
            try:
                self._serve(ledger)
            except NexTradeError as error:
                self._say("the ledger", error)
                self._stop.wait(_TROUBLE_S)
            finally:
                ledger.close()

    def _serve(self, ledger: RedisLedger) -> None:
        outboxes, relay = Outboxes(ledger.shards), self._relay(ledger)
        sweeper, sweep_at = TransferSweeper(ledger), time.monotonic() + random.uniform(0, _SWEEP_S)
        while not self._stop.is_set():
            more = False
            for shard, buckets in outboxes.by_shard().items():
                if time.monotonic() >= self._rests.get(shard, 0.0):
                    more |= self._look_after(shard, partial(relay.round, buckets, self._stop))
            if time.monotonic() >= sweep_at:
                sweep_at = time.monotonic() + _SWEEP_S * random.uniform(0.8, 1.2)
                for shard, buckets in outboxes.by_shard().items():
                    self._look_after(shard, partial(sweeper.sweep, buckets))
            if not more:
                # Not all relays at the same moment: most of what they would send comes twice.
                self._stop.wait(_IDLE_S * random.uniform(0.6, 1.4))

    def _look_after(self, shard: str, work: Callable[[], Round | int]) -> bool:
        """Do something at one shard; true if there is more to do at once."""
        try:
            done = work()
        except NexTradeError as error:
            self._rest(shard, error)
            return False
        if isinstance(done, int):
            return False
        if done.trouble is not None:
            self._rest(shard, done.trouble)
            if isinstance(done.trouble, BusRefused):
                self._declare_again()
            return False
        if done.published and self._troubles.pop(shard, ""):
            _log.info("the relay of shard %s goes on", shard)
        if done.overtaken:
            self._rests[shard] = time.monotonic() + random.uniform(0, _OVERTAKEN_S)
            return False
        return done.more

    def _declare_again(self) -> None:
        """The stream may be missing: somebody deleted it, or the broker came back without."""
        try:
            self._declare()
        except NexTradeError as error:
            self._say("the ledger's stream", error)

    def _rest(self, shard: str, error: NexTradeError) -> None:
        self._rests[shard] = time.monotonic() + _TROUBLE_S
        self._say(shard, error)

    def _say(self, where: str, error: NexTradeError) -> None:
        """Say what is wrong, once for as long as it is."""
        if self._troubles.get(where) != str(error):
            self._troubles[where] = str(error)
            _log.warning("%s: %s; what waits in the outboxes stays there", where, error)
