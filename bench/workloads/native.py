"""Builds the C half of the workloads once into a cache folder and loads it."""

from __future__ import annotations

import ctypes
import functools
import hashlib
import os
import platform
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

__all__ = [
    "LadderRun",
    "NoCompiler",
    "cache_folder",
    "compiler_version",
    "keep_freed_memory",
    "library",
    "pointer",
    "return_freed_memory",
    "run_ladder",
    "source_digest",
    "stream_seconds",
]

HERE = Path(__file__).parent
SOURCES = ("ladder.h", "ladder.c", "flow.c")
FAST_FLAGS = ("-O3", "-march=native")
"""For timing: the limit may use everything this machine has."""
PLAIN_FLAGS = ("-O3",)
"""For counting instructions: the same code on every machine, and none that valgrind lacks."""


class NoCompiler(RuntimeError):
    """No C compiler was found, so there is no ladder to measure against."""


class Tally(ctypes.Structure):
    """What the trades of a run add up to."""

    _fields_ = (
        ("trades", ctypes.c_uint64),
        ("lots", ctypes.c_uint64),
        ("notional", ctypes.c_uint64),
        ("checksum", ctypes.c_uint64),
    )


class NativeExpectation(ctypes.Structure):
    """What a flow ends with, as ladder.c lays it out."""

    _fields_ = (
        ("tally", Tally),
        ("resting", ctypes.c_uint64),
        ("resting_lots", ctypes.c_uint64),
        ("bid_levels", ctypes.c_uint64),
        ("ask_levels", ctypes.c_uint64),
        ("best_bid", ctypes.c_int64),
        ("best_ask", ctypes.c_int64),
    )


@dataclass(frozen=True)
class LadderRun:
    """One pass of the ladder over a flow."""

    seconds: float
    trades: int
    traded_lots: int


def compiler() -> str:
    """The C compiler's name: ``CC`` if set, else the first of cc, gcc and clang that exists."""
    for name in (os.environ.get("CC"), "cc", "gcc", "clang"):
        if name and shutil.which(name):
            return name
    raise NoCompiler("the ladder needs a C compiler: install gcc or clang, or set CC")


def compiler_version() -> str:
    """First line of the compiler's own description of itself, or "none"."""
    try:
        shown = subprocess.run(
            [compiler(), "--version"], capture_output=True, text=True, check=True
        )
    except (NoCompiler, subprocess.CalledProcessError):
        return "none"
    return shown.stdout.splitlines()[0]


def cache_folder() -> Path:
    """Where compiled code and generated flows are kept; ``NEXTRADE_BENCH_CACHE`` moves it."""
    chosen = os.environ.get("NEXTRADE_BENCH_CACHE")
    root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    folder = Path(chosen) if chosen else Path(root) / "nextrade-bench"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def source_digest(*extra: str) -> str:
    """Short digest of the C sources, so that a cached file never outlives what made it."""
    digest = hashlib.blake2b(digest_size=8)
    for name in SOURCES:
        digest.update((HERE / name).read_bytes())
    for word in extra:
        digest.update(word.encode() + b"\0")
    return digest.hexdigest()


@functools.cache
def library(*, plain: bool = False) -> ctypes.CDLL:
    """The compiled library, built on first use. Raises NoCompiler if it cannot be."""
    flags = PLAIN_FLAGS if plain else FAST_FLAGS
    digest = source_digest(compiler_version(), platform.processor(), *flags)
    built = cache_folder() / f"ladder-{digest}.so"
    if not built.exists():
        _compile(built, flags)
    loaded = ctypes.CDLL(str(built))
    loaded.ladder_seconds.restype = ctypes.c_double
    loaded.stream_seconds.restype = ctypes.c_double
    return loaded


def _compile(built: Path, flags: tuple[str, ...]) -> None:
    fresh = built.with_suffix(f".{os.getpid()}")
    sources = [str(HERE / source) for source in SOURCES if source.endswith(".c")]
    command = [compiler(), "-std=c11", "-shared", "-fPIC", *flags, "-o", str(fresh), *sources]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise NoCompiler(f"{' '.join(command)} failed:\n{done.stderr}")
    fresh.replace(built)


def pointer(array: npt.NDArray[np.void] | npt.NDArray[np.uint8]) -> ctypes.c_void_p:
    """Address of a contiguous array's first byte."""
    if not array.flags.c_contiguous:
        raise ValueError("the ladder reads contiguous arrays only")
    return ctypes.c_void_p(array.ctypes.data)


def run_ladder(
    records: npt.NDArray[np.void], *, plain: bool = False, counted: bool = False
) -> LadderRun:
    """Time one pass of a fresh ladder over ``records``; building the ladder is not timed."""
    tally = Tally()
    seconds = library(plain=plain).ladder_seconds(
        pointer(records), ctypes.c_size_t(len(records)), int(counted), ctypes.byref(tally)
    )
    if seconds < 0:
        raise MemoryError("the ladder found no memory")
    return LadderRun(float(seconds), tally.trades, tally.lots)


def stream_seconds(commands: npt.NDArray[np.void], events: int, batch: int) -> float:
    """Seconds for reading ``commands`` and writing ``events`` events, with no book between."""
    sizes = (ctypes.c_size_t(size) for size in (len(commands), events, batch))
    return float(library().stream_seconds(pointer(commands), *sizes))


def keep_freed_memory() -> bool:
    """Ask the C library to keep freed memory instead of giving it back after every pass.

    A long-lived process may do so to save page faults. It is not always a gain: large aligned
    blocks leave holes between them. True if the C library (glibc) can be asked.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):  # musl has no such knob
        return False
    trim_threshold, top_pad, mmap_threshold = -1, -2, -3
    return all(
        mallopt(option, value)
        for option, value in (
            (trim_threshold, 1 << 30),
            (mmap_threshold, 1 << 30),
            (top_pad, 64 << 20),
        )
    )


def return_freed_memory() -> None:
    """Give memory that is free back to the system, so that growth from here on is visible."""
    try:
        ctypes.CDLL(None).malloc_trim(0)
    except (AttributeError, OSError, TypeError):  # only glibc has it
        return
