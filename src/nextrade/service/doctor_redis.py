"""What the doctor looks at on each Redis server of a ledger: one check a function."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping

from ..errors import MissingExtra, NexTradeError
from ..platform.redis_access import OPEN, RedisAccess, access_of
from ..platform.redis_program import OLDEST_REDIS
from ..platform.redis_question import ask, ask_info
from ..platform.settings import Settings
from .finding import Finding, State

MOST_SKEW_NS = 10**9
_PATIENCE_S = 5.0

Info = Mapping[str, str]
"""What a server says of itself; empty if it does not answer."""


def examine_servers(settings: Settings, stack: tuple[str, ...]) -> Iterator[Finding]:
    """Look at the servers that the settings name, or those of the stack if there are none."""
    needed = settings.ledger.home == "redis"
    try:
        access = access_of(settings)
        if settings.ledger.tls:
            access.client_options()  # for what it says of files that cannot be used
        addresses = _addresses(settings, stack)
    except MissingExtra:  # said by the check of the client
        return
    except NexTradeError as error:
        fix = "change [ledger] in the settings; nextrade config show says what holds"
        yield Finding("redis servers", "wrong" if needed else "note", str(error), fix)
        return
    digest = _digest()
    for address in addresses:
        before_ns = time.time_ns()
        info = ask_info(address, access)
        yield (shard := check_shard(address, info))
        if shard.state == "wrong":
            continue
        yield check_append_only(address, info, needed)
        yield check_eviction(address, info, needed)
        yield check_server_clock(address, info, before_ns, time.time_ns())
        if settings.ledger.replicas:
            yield check_replicas(address, info, settings.ledger.replicas, needed)
            yield check_lonely_writes(address, info)
        if digest:
            yield check_functions(address, access, digest)


def examine_listings(settings: Settings) -> Iterator[Finding]:
    """Which listings the exchange keeps, and whether a change of them was left half way."""
    try:
        from .home.listed import then_and_now
        from .home.stores import open_store
        from .store.listed import ListingsRecord

        store = open_store(settings, _PATIENCE_S)
        try:
            proposal = ListingsRecord(store).read().proposal
        finally:
            store.close()
        version = then_and_now(settings).current.version
    except NexTradeError:  # said of each server that was looked at
        return
    if proposal is not None:
        fix = "nextrade market finish"
        yield Finding("listings", "note", f"version {proposal.version} was left half way", fix)
    else:
        yield Finding("listings", "ok", f"version {version}")


def _addresses(settings: Settings, stack: tuple[str, ...]) -> tuple[str, ...]:
    if not settings.ledger.cluster:
        return settings.ledger.shards or stack
    from .home.opening import placement_of

    return placement_of(settings).addresses()


def _digest() -> str:
    """What the functions of this version say of themselves; empty without the packages for it."""
    try:
        from .ledger.redis.library import library
    except MissingExtra:
        return ""
    return library().digest


def check_shard(address: str, info: Info) -> Finding:
    """A Redis server that the settings name answers and is new enough."""
    name = f"shard {address}"
    version = info.get("redis_version", "")
    major = version.partition(".")[0]
    if not major.isdecimal():
        fix = "start it, or change shards, username, password or tls in [ledger]"
        return Finding(name, "wrong", "does not answer as a Redis server, or not to us", fix)
    if int(major) < OLDEST_REDIS:
        return Finding(name, "wrong", version, f"Redis {OLDEST_REDIS} or newer is needed")
    if info.get("role") == "slave":
        primary = f"{info.get('master_host', '')}:{info.get('master_port', '')}"
        fix = f"name the primary in [ledger] shards: {primary}, unless that is gone"
        return Finding(name, "wrong", f"{version}, a replica: it takes no changes", fix)
    return Finding(name, "ok", version)


def check_append_only(address: str, info: Info, needed: bool) -> Finding:
    """It writes down what it is told, so that a crash loses nothing."""
    name = f"append-only file {address}"
    if info.get("aof_enabled") != "1":
        fix = "appendonly yes in its configuration, or a crash loses balances"
        return Finding(name, _grave(needed), "off", fix)
    if info.get("aof_last_write_status", "ok") != "ok":
        return Finding(name, "wrong", "cannot be written", "make room on its disk")
    return Finding(name, "ok", "on")


def check_eviction(address: str, info: Info, needed: bool) -> Finding:
    """It never throws a bucket away for want of memory."""
    name, policy = f"eviction {address}", info.get("maxmemory_policy", "")
    if policy != "noeviction":
        fix = "maxmemory-policy noeviction in its configuration, or it throws balances away"
        return Finding(name, _grave(needed), policy or "unknown", fix)
    return Finding(name, "ok", policy)


def check_server_clock(address: str, info: Info, before_ns: int, after_ns: int) -> Finding:
    """Its clock is about ours: it was asked between the two moments."""
    name, text = f"clock {address}", info.get("server_time_usec", "")
    if not text.isdecimal():
        return Finding(name, "note", "is not told", f"Redis {OLDEST_REDIS} tells it: look at it")
    there_ns = int(text) * 1000
    skew_ns = max(before_ns - there_ns, there_ns - after_ns, 0)
    found = f"{skew_ns / 10**9:.1f} s from ours"
    if skew_ns > MOST_SKEW_NS:
        return Finding(
            name, "note", found, "let both follow a time server: timedatectl set-ntp true"
        )
    return Finding(name, "ok", found)


def check_replicas(address: str, info: Info, wanted: int, needed: bool) -> Finding:
    """As many replicas are connected as a change must have before it counts as done."""
    name = f"replicas {address}"
    told = (info.get(f"slave{k}", "") for k in range(int(info.get("connected_slaves") or 0)))
    online = sum("state=online" in one.split(",") for one in told)
    found = f"{online} connected, {wanted} must have each change"
    if online < wanted:
        fix = "let more servers follow it (replicaof), or every change is waited for in vain"
        return Finding(name, _grave(needed), found, fix)
    return Finding(name, "ok", found)


def check_lonely_writes(address: str, info: Info) -> Finding:
    """It refuses changes while no replica follows: cut off, it takes none that get lost."""
    name = f"lonely writes {address}"
    # The server tells how many replicas are well only where it asks for some.
    if "min_slaves_good_slaves" not in info:
        fix = "min-replicas-to-write 1 in its configuration: cut off, it then takes no changes"
        return Finding(name, "note", "taken without any replica", fix)
    return Finding(name, "ok", "refused")


def check_functions(address: str, access: RedisAccess = OPEN, digest: str = "") -> Finding:
    """It has the ledger's functions, and those of this version."""
    name = f"functions {address}"
    told = ask(address, "FCALL_RO", "nextrade_library", "0", access=access)
    if told is None:
        return Finding(name, "note", "none: no ledger was founded here", "nextrade shards found")
    if told.decode("utf-8", "replace") != digest:
        return Finding(name, "wrong", "of another version", "nextrade shards found")
    return Finding(name, "ok", "of this version")


def _grave(needed: bool) -> State:
    return "wrong" if needed else "note"
