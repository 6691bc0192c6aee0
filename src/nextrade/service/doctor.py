"""What a newcomer trips over, looked at in one go: each check says what it found and the fix.

A check is ``ok``, a ``note`` (something optional is not there), or ``wrong``: then what the
settings ask for cannot work on this machine as it is.
"""

from __future__ import annotations

import importlib
import os
import re
import shutil
import socket
import sys
import time
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path

from ..errors import NexTradeError
from ..platform import rabbit_program
from ..platform.redis_program import missing, redis_version
from ..platform.servers import Servers
from ..platform.settings import Settings, read_settings
from .doctor_outbox import examine_outboxes
from .doctor_rabbit import check_rabbit_client, check_rabbit_program, examine_rabbit
from .doctor_rabbit import is_meant as rabbit_is_meant
from .doctor_redis import examine_listings, examine_servers
from .finding import Finding

OLDEST_PYTHON = (3, 11)
ENOUGH_DISK_BYTES = 1 << 30
ENOUGH_FILES = 1024
_REPLY_SECONDS = 2.0


def examine(config: Path | None = None) -> Iterator[Finding]:
    """Look at everything, in the order in which it should be mended. Changes nothing."""
    yield check_python(sys.version_info[:3], sys.implementation.name)
    yield check_core(Path(__file__).parents[1])
    yield from check_extras()
    yield check_clock(time.time_ns(), Path(__file__).stat().st_mtime_ns)
    yield check_open_files(open_file_limit())
    yield check_ports()
    settings, finding = check_settings(config)
    yield finding
    if settings is None:
        return
    for name, folder in folders(settings).items():
        yield check_folder(name, folder)
        yield check_disk(name, folder)
    needed = settings.ledger.home == "redis"
    yield check_redis_program(missing(), needed=needed and not settings.ledger.shards)
    yield check_redis_client(needed)
    if rabbit_is_meant(settings):
        private = not settings.rabbit.addresses
        yield check_rabbit_program(rabbit_program.missing(), needed=needed and private)
        yield check_rabbit_client(needed)
    running: tuple[str, ...] = ()
    if not settings.ledger.shards:
        stack = Servers(settings.stack)
        yield check_stack(stack, needed)
        if needed:
            found = stack.redis.status()
            running = tuple(
                one.address or ""
                for one in found
                if one.state == "running" and one.name in stack.redis.primaries
            )
    yield from examine_servers(settings, running)
    if needed:
        yield from examine_listings(settings)
    if rabbit_is_meant(settings):
        yield from examine_rabbit(settings)
    if needed:
        yield from examine_outboxes(settings)


def check_python(version: tuple[int, ...], implementation: str) -> Finding:
    """Python is new enough, and the one that the compiled core is made for."""
    found = f"{implementation} {'.'.join(map(str, version))}"
    if version < OLDEST_PYTHON or implementation != "cpython":
        fix = f"use CPython {'.'.join(map(str, OLDEST_PYTHON))} or newer"
        return Finding("python", "wrong", found, fix)
    return Finding("python", "ok", found)


def check_core(package: Path) -> Finding:
    """The compiled modules can be imported, and were compiled after their source changed."""
    built: list[Path] = []
    for name in compiled_modules(package):
        try:
            module = importlib.import_module(f"nextrade.{name}")
        except ImportError as error:
            fix = "make build in a checkout, else pip install --force-reinstall nextrade"
            return Finding("core", "wrong", f"nextrade.{name} cannot be imported: {error}", fix)
        built.append(Path(module.__file__ or ""))
    found = f"{len(built)} modules for {built[0].suffixes[0].lstrip('.')} in {package}"
    sources = list(package.glob("*.pyx"))  # there are none in a wheel, nothing to be behind
    sources += package.glob("*.pxd") if sources else ()
    last_build = max(path.stat().st_mtime for path in built)
    newer = sorted(path.name for path in sources if path.stat().st_mtime > last_build)
    if newer:
        found += f", older than {', '.join(newer[:3])}"
        return Finding("core", "note", found, "compile it again: make build")
    return Finding("core", "ok", found)


def compiled_modules(package: Path) -> list[str]:
    """The compiled modules that belong to the package: each has a stub, and no Python source."""
    stubs = (path for path in package.glob("_*.pyi") if not path.with_suffix(".py").exists())
    return sorted(path.stem for path in stubs)


def check_extras(installed: Callable[[str], str] = metadata.version) -> Iterator[Finding]:
    """Which optional packages are there, by the extra that brings them."""
    try:
        required = metadata.requires("nextrade") or []
    except metadata.PackageNotFoundError:
        yield Finding(
            "extras", "note", "nextrade itself was never installed, only found", "pip install ."
        )
        return
    for extra, packages in extras(required).items():
        missing = [package for package in packages if not _is_installed(package, installed)]
        if missing:
            fix = f"pip install 'nextrade[{extra}]' if you need it"
            yield Finding(f"extra {extra}", "note", f"without {', '.join(missing)}", fix)
        else:
            yield Finding(f"extra {extra}", "ok", ", ".join(packages))


def extras(required: list[str]) -> dict[str, list[str]]:
    """The packages of each extra, but for extras made of others, from a list of requirements."""
    found: dict[str, list[str]] = {}
    for line in required:
        package = re.match(r"[A-Za-z0-9._-]+", line)
        extra = re.search(r"""extra\s*==\s*["']([^"']+)["']""", line)
        if package and extra and package[0].lower() != "nextrade":
            found.setdefault(extra[1], []).append(package[0])
    return {extra: packages for extra, packages in found.items() if extra != "all"}


def _is_installed(package: str, installed: Callable[[str], str]) -> bool:
    try:
        installed(package)
    except metadata.PackageNotFoundError:
        return False
    return True


def check_clock(now_ns: int, installed_ns: int) -> Finding:
    """The clock is not before the day on which this package came onto the machine."""
    found = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(now_ns // 10**9))
    if now_ns < installed_ns - 60 * 10**9:
        fix = "set the clock; with systemd: timedatectl set-ntp true"
        return Finding("clock", "wrong", f"{found}, before the package was installed", fix)
    return Finding("clock", "ok", found)


def open_file_limit() -> int | None:
    """How many files a process may have open; None where there is no such limit to ask for."""
    if sys.platform == "win32":
        return None
    import resource

    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return None if limit == resource.RLIM_INFINITY else limit


def check_open_files(limit: int | None) -> Finding:
    """A process may have enough files and connections open."""
    if limit is None:
        return Finding("open files", "ok", "no limit")
    if limit < ENOUGH_FILES:
        fix = f"ulimit -n {ENOUGH_FILES} before starting, or more in /etc/security/limits.conf"
        return Finding("open files", "note", f"at most {limit}", fix)
    return Finding("open files", "ok", f"at most {limit}")


def check_ports() -> Finding:
    """A server can listen on this machine's own address."""
    try:
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
            with socket.create_connection(("127.0.0.1", port), timeout=_REPLY_SECONDS):
                pass
    except OSError as error:
        fix = "let programs listen on 127.0.0.1: look at firewall, sandbox and container"
        return Finding("ports", "wrong", f"127.0.0.1: {error.strerror or error}", fix)
    return Finding("ports", "ok", "127.0.0.1 can be listened on")


def check_settings(config: Path | None) -> tuple[Settings | None, Finding]:
    """The settings can be read, and assets and markets make sense."""
    from .listings_file import listings_of

    try:
        settings = read_settings(config)
        listings = listings_of(settings)
    except NexTradeError as error:
        fix = "change it there; nextrade config show says what holds"
        return None, Finding("settings", "wrong", str(error), fix)
    count = f"{len(listings.assets)} assets, {len(listings.listings)} markets"
    return settings, Finding("settings", "ok", f"{settings.file or 'the default'}: {count}")


def folders(settings: Settings) -> dict[str, Path]:
    """The folders that the settings ask for."""
    found = {"stack folder": settings.stack.folder}
    if settings.journal.path is not None:
        found["journal folder"] = settings.journal.path
    return found


def _nearest(folder: Path) -> Path:
    """The folder, or the closest one above it that is there."""
    while not os.path.lexists(folder) and folder != folder.parent:
        folder = folder.parent
    return folder


def check_folder(name: str, folder: Path) -> Finding:
    """The folder can be written to, or made."""
    there = _nearest(folder)
    if not there.is_dir():
        return Finding(name, "wrong", f"{there} is no folder", "name another in the settings")
    if not os.access(there, os.W_OK | os.X_OK):
        fix = f"make {there} writable for you, or name another folder in the settings"
        return Finding(name, "wrong", f"{there} cannot be written to", fix)
    return Finding(name, "ok", str(folder) if there == folder else f"{folder} can be made")


def check_disk(name: str, folder: Path) -> Finding:
    """There is room for what the folder will hold."""
    name = name.replace("folder", "disk")
    try:
        free = shutil.disk_usage(_nearest(folder)).free
    except OSError as error:
        return Finding(name, "note", f"{folder}: {error.strerror or error}", "look at the disk")
    found = f"{free / 2**30:.1f} GiB free"
    if free < ENOUGH_DISK_BYTES:
        return Finding(name, "note", found, "make room, or name a folder on another disk")
    return Finding(name, "ok", found)


def check_redis_program(lacking: str, *, needed: bool) -> Finding:
    """There is a redis-server for ``nextrade stack`` to start."""
    if lacking:
        found, _, fix = lacking.partition("; ")
        return Finding("redis-server", "wrong" if needed else "note", found, fix)
    return Finding("redis-server", "ok", ".".join(map(str, redis_version() or ())))


def check_redis_client(needed: bool) -> Finding:
    """The Python package that talks to Redis is there, if the ledger is to live in Redis."""
    try:
        version = metadata.version("redis")
    except metadata.PackageNotFoundError:
        fix = "pip install 'nextrade[redis]'"
        return Finding("redis client", "wrong" if needed else "note", "not installed", fix)
    return Finding("redis client", "ok", version)


def check_stack(stack: Servers, needed: bool) -> Finding:
    """The private servers run, if the exchange is to live there."""
    found = stack.wanted(stack.status())
    running = sum(one.state == "running" for one in found)
    text = f"{running} of {len(found)} servers run"
    if running == len(found):
        return Finding("stack", "ok", text)
    silent = [one for one in found if one.state == "silent"]
    if silent:
        fix = f"see the log in {silent[0].folder}"
        return Finding("stack", "wrong", f"{silent[0].name} runs and does not answer", fix)
    return Finding("stack", "wrong" if needed else "note", text, "nextrade stack up")
