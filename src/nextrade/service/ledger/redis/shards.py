"""Sends calls to the servers that keep the buckets: named shards, or a Redis Cluster.

All calls of one ``exchange`` go out before the first reply is read, and every function in
``lua/`` may be repeated. So a call whose reply was lost is sent again until the server answers
or patience ends, and with it the calls to the same bucket that were sent behind it.
"""

import time
from collections.abc import Sequence
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.exceptions import ClusterDownError, MovedError, TryAgainError
from redis.retry import Retry

from ....errors import (
    AccessRefused,
    LedgerError,
    LedgerUnavailable,
    WrongLibrary,
    WrongMap,
)
from ....platform.redis_access import OPEN, RedisAccess, refusal
from .bucket_map import MAP_KEY, BucketMap
from .library import VERSION_FUNCTION, library
from .link import Link, ReplyError, packed
from .placement import ClusterShards, NamedShards, host_port

__all__ = ["ClusterShards", "NamedShards", "Shards"]

PATIENCE_S = 10.0
PAUSE_S = 0.05
NOT_NOW = (
    *("LOADING", "CLUSTERDOWN", "TRYAGAIN", "MASTERDOWN", "READONLY", "BUSY", "OOM"),
    *("MISCONF", "NOREPLICAS"),
)
"""Errors that pass: the call has changed nothing and may be sent again."""
PASSING = (redis.ConnectionError, redis.TimeoutError, ClusterDownError, TryAgainError)
"""The same, as the full client raises them."""


def manager(address: str, timeout_s: float, access: RedisAccess = OPEN) -> "redis.Redis":
    """Return a full client of one server, for what is done once.

    Versions of the client differ in whether they try again by themselves, even when a password
    was refused. Here none does.
    """
    retry = Retry(NoBackoff(), 0)
    if address.startswith("/"):
        options = access.client_options(of_socket=True)
        return redis.Redis(
            unix_socket_path=address, socket_timeout=timeout_s, retry=retry, **options
        )
    host, port = host_port(address)
    options = access.client_options()
    return redis.Redis(host=host, port=port, socket_timeout=timeout_s, retry=retry, **options)


def moved(error: Exception) -> bool:
    """Whether a server of a cluster says that another one has the key."""
    # Before its version 6 the client had a class of its own for this in clusters only.
    return isinstance(error, MovedError) or str(error).startswith("MOVED")


class Shards:
    """All servers of a ledger, and the map of its buckets."""

    def __init__(
        self,
        placement: NamedShards | ClusterShards,
        bucket_map: BucketMap | None = None,
        patience_s: float = PATIENCE_S,
    ) -> None:
        self.placement = placement
        self.patience_s = patience_s
        self._links: dict[str, Link] = {}
        self.sent_again = 0
        """How often calls were sent again, which a server may have carried out already."""
        self.map = bucket_map or self.stored_map()

    # --- once ----------------------------------------------------------------------------------

    def stored_map(self) -> BucketMap:
        """Return the map that the servers keep; raises WrongMap if there is none, or several."""
        texts = {self.stored_text(address) for address in self.placement.addresses()}
        # A cluster keeps it at one primary, the one of its slot.
        if isinstance(self.placement, ClusterShards):
            texts.discard(None)
        where = ", ".join(self.placement.addresses())
        if not texts - {None}:
            raise WrongMap(f"no ledger was founded at {where}: run `nextrade shards found`")
        if len(texts) != 1 or None in texts:
            raise WrongMap(
                f"the servers at {where} do not keep one map of buckets between them: look whether"
                " all of these are shards of one ledger, and none of them lost its data"
            )
        bucket_map = BucketMap.from_json(texts.pop() or "")
        if isinstance(self.placement, NamedShards):
            if set(bucket_map.shards) != set(self.placement.by_name):
                raise WrongMap(f"the map names the shards {', '.join(bucket_map.shards)}")
        elif bucket_map.shards:
            raise WrongMap("the map is one for named shards, not for a cluster")
        return bucket_map

    def store_map(self) -> None:
        """Store the map where there is none; raises WrongMap where there is another."""
        for address in self.placement.addresses():
            with Translated(address), self._manager(address) as server:
                try:
                    server.set(MAP_KEY, self.map.to_json(), nx=True)
                except redis.ResponseError as error:
                    if not moved(error):  # else another server of the cluster keeps the map
                        raise
        if self.stored_map() != self.map:
            raise WrongMap("this ledger was founded with another map")

    def _manager(self, address: str) -> "redis.Redis":
        return manager(address, self.patience_s, self.placement.access)

    def stored_text(self, address: str) -> str | None:
        """Return the map that one server keeps, as it is stored; None if it keeps none."""
        with Translated(address), self._manager(address) as server:
            try:
                text = server.get(MAP_KEY)
            except redis.ResponseError as error:
                if moved(error):
                    return None
                raise
        return text.decode() if isinstance(text, bytes) else None

    def load_library(self) -> None:
        """Put this version's functions on every server, in place of any other version."""
        for address in self.placement.addresses():
            with Translated(address), self._manager(address) as server:
                server.function_load(library().source, replace=True)

    def check_library(self) -> None:
        """Raise WrongLibrary if a server has other functions than this version's."""
        for address, why in self.without_library().items():
            raise WrongLibrary(f"Redis at {address} has {why}: run `nextrade shards found`")

    def without_library(self) -> dict[str, str]:
        """Return the servers that lack this version's functions, and what they have instead."""
        found = {}
        for address in self.placement.addresses():
            digest: Any = None
            with Translated(address), self._manager(address) as server:
                try:
                    digest = server.fcall_ro(VERSION_FUNCTION, 0)
                except redis.ResponseError as error:
                    if refusal(error):
                        raise
                    found[address] = f"no functions ({error})"
                    continue
            if digest != library().digest.encode():
                found[address] = "functions of another version"
        return found

    def where(self, bucket: int) -> str:
        """Return the name of a bucket's shard, in a cluster the address, for people."""
        if isinstance(self.placement, NamedShards):
            return self.map.shards[self.map.owners[bucket]]
        return self.placement.address_of(self.map, bucket)

    def named(self) -> list[tuple[str, str]]:
        """Return name and address of every shard; in a cluster both are the address."""
        if isinstance(self.placement, NamedShards):
            return list(self.placement.by_name.items())
        return [(address, address) for address in self.placement.addresses()]

    def info(self, address: str) -> dict[str, Any]:
        """Return what a server says of itself."""
        with Translated(address), self._manager(address) as server:
            told: dict[str, Any] = server.info("everything")
        return told

    # --- all the time --------------------------------------------------------------------------

    def exchange(self, calls: Sequence[tuple[int, bytes]]) -> list[Any]:
        """Send each command to the server of its bucket; return the replies in the same order.

        Raises LedgerUnavailable if a server does not answer for as long as ``patience_s``.
        """
        try:
            return self._exchange(calls)
        except BaseException:
            # Replies that nobody read would be taken for those of the next calls.
            self.close()
            raise

    def _exchange(self, calls: Sequence[tuple[int, bytes]]) -> list[Any]:
        replies: list[Any] = [None] * len(calls)
        left = list(range(len(calls)))
        give_up_at: float | None = None
        while True:
            left, why = self._attempt(calls, left, replies)
            if not left:
                return replies
            now = time.monotonic()
            give_up_at = give_up_at or now + self.patience_s
            if now >= give_up_at:
                raise LedgerUnavailable(f"gave up after {self.patience_s:g} s: {why}")
            self.sent_again += 1
            time.sleep(PAUSE_S)

    def _attempt(
        self, calls: Sequence[tuple[int, bytes]], left: list[int], replies: list[Any]
    ) -> tuple[list[int], str]:
        """Send what is left once; return what is then left to be sent again, and why."""
        again: list[int] = []
        why = ""
        by_address: dict[str, list[int]] = {}
        try:
            for k in left:
                address = self.placement.address_of(self.map, calls[k][0])
                by_address.setdefault(address, []).append(k)
        except LedgerUnavailable as error:
            return left, str(error)
        sent = []
        replication = self.placement.replication
        for address, numbers in by_address.items():
            commands = [calls[k][1] for k in numbers]
            behind = replication.behind(commands, self.map.key(calls[numbers[0]][0]))
            try:
                self._link(address).send(commands + behind)
                sent.append((address, numbers, behind))
            except LedgerUnavailable as error:
                again, why = again + numbers, str(error)
        for address, numbers, behind in sent:
            receive = self._link(address).receive
            for place, k in enumerate(numbers):
                try:
                    reply = receive()
                except LedgerUnavailable as error:
                    # Without the word of the replicas nothing that was sent is done.
                    again, why = again + numbers[0 if behind else place :], str(error)
                    break
                if isinstance(reply, ReplyError):
                    reply = self._redirected(address, calls[k], reply)
                if isinstance(reply, ReplyError):
                    again, why = [*again, k], f"{address}: {reply}"
                else:
                    replies[k] = reply
            else:
                try:
                    lacking = behind and replication.lacking([receive() for _ in behind])
                except LedgerUnavailable as error:
                    lacking = str(error)
                if lacking:
                    again, why = again + numbers, f"{address}: {lacking}"
        if again:
            # A call is never carried out ahead of one to the same bucket that stands before it:
            # what was sent behind one that failed is sent again behind it, and answers the same.
            failed = {calls[k][0]: k for k in sorted(set(again), reverse=True)}
            again = [k for k in left if k >= failed.get(calls[k][0], len(calls))]
            # A server that is gone may have been replaced by another one.
            try:
                self.placement.look_again()
            except LedgerUnavailable as error:
                why = str(error)
        return again, why

    def _redirected(self, address: str, sent: tuple[int, bytes], error: ReplyError) -> Any:
        """Return the reply of the server that an error points to, or the error if it will pass.

        Raises what any other error means.
        """
        text = str(error)
        word, *rest = text.split()
        if word in ("NOAUTH", "NOPERM"):
            raise AccessRefused(f"Redis at {address}: {refusal(error)}")
        if word == "MOVED":
            return error
        if word == "ASK":
            replication = self.placement.replication
            link = Link(rest[1], self._silence_s, self.placement.access)
            bucket, command = sent
            behind = replication.behind([command], self.map.key(bucket))
            asking = [packed("ASKING"), *behind[:1]] if behind else []
            try:
                link.send([packed("ASKING"), command, *asking, *behind[1:]])
                link.receive()
                reply = link.receive()
                told = [link.receive() for _ in (*asking, *behind[1:])]
                if told and (why := replication.lacking(told[1:])):
                    return ReplyError(f"NOREPLICAS {why}")
            finally:
                link.close()
            return reply
        if word in NOT_NOW:
            return error
        if "Function not found" in text:
            raise WrongLibrary(f"Redis at {address} has no functions: load the library")
        raise LedgerError(f"Redis at {address} failed: {library().located(text)}")

    @property
    def _silence_s(self) -> float:
        """How long a server may be silent: it is while it waits for its replicas."""
        replication = self.placement.replication
        return self.patience_s + (replication.timeout_ms / 1000 if replication.replicas else 0)

    def _link(self, address: str) -> Link:
        if address not in self._links:
            self._links[address] = Link(address, self._silence_s, self.placement.access)
        return self._links[address]

    def close(self) -> None:
        """Close every connection; the next call opens what it needs again."""
        for link in self._links.values():
            link.close()


class Translated:
    """Turns the errors of the full client into ours, and keeps them as the cause."""

    def __init__(self, address: str) -> None:
        self._address = address

    def __enter__(self) -> None:
        """Begin."""

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        """Translate."""
        if isinstance(error, redis.RedisError) and (why := refusal(error)):
            raise AccessRefused(f"Redis at {self._address}: {why}") from error
        if isinstance(error, PASSING):
            raise LedgerUnavailable(f"no Redis at {self._address}: {error}") from error
        if isinstance(error, redis.RedisError):
            raise LedgerError(
                f"Redis at {self._address} failed: {library().located(str(error))}"
            ) from error
