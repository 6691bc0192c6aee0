"""However a recording is read (in pieces, packed, stopped and resumed) it is the same replay."""

from __future__ import annotations

import gzip
import lzma
import random
from collections.abc import Callable
from pathlib import Path

import pyarrow
import pytest

from nextrade.service.replay.readers import itch, pitch, unpacked
from nextrade.service.replay.run import Replay

from .recorder.formats import FORMATS, ITCH, ITCH_WITHOUT_LENGTHS, PITCH, Format
from .recorder.market import Session, play
from .replaying import Outcome, figures, outcome, run

REQUESTS = 250
MODES = ("rebuild", "match", "guided")
STARTS_EMPTY = (ITCH, ITCH_WITHOUT_LENGTHS, PITCH)


def zstd(data: bytes) -> bytes:
    """The bytes packed with zstd."""
    packed: bytes = pyarrow.compress(data, codec="zstd", asbytes=True)
    return packed


def a_session(form: Format, seed: int) -> Session:
    """A session, for some seeds one that begins with orders which rested before."""
    return play(seed, form.manners, REQUESTS, before=form.before)


def written(form: Format, seed: int, folder: Path) -> Path:
    """A recording; every second one starts inside the day, where the format can."""
    skip = 60 if seed % 2 and form not in STARTS_EMPTY else 0
    return form.write(a_session(form, seed), folder, skip)


def assert_same(one: Outcome, other: Outcome) -> None:
    """The same trades, orders, figures, checks and state."""
    assert one.trades == other.trades
    assert one.standing == other.standing
    assert figures(one.report) == figures(other.report)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("form", FORMATS, ids=str)
@pytest.mark.parametrize("seed", range(2))
def test_the_size_of_the_batches_changes_nothing(
    form: Format, seed: int, mode: str, tmp_path: Path
) -> None:
    """One message at a time, seven, a thousand or all at once."""
    path = written(form, seed, tmp_path)
    whole = run(path, mode, batch=10**9, sample_every="5")

    for batch in (1, 7, 1_000):
        assert_same(run(path, mode, batch=batch, sample_every="5"), whole)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("form", FORMATS, ids=str)
@pytest.mark.parametrize("seed", range(2))
def test_the_size_of_the_blocks_changes_nothing(
    form: Format, seed: int, mode: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Blocks of a few lines, or of less than one, instead of a megabyte."""
    path = written(form, seed, tmp_path)
    whole = run(path, mode, sample_every="5")

    for block_bytes in (37, 1_000):
        monkeypatch.setattr(unpacked, "BLOCK_BYTES", block_bytes)
        monkeypatch.setattr(unpacked.blocks, "__defaults__", (block_bytes,))
        monkeypatch.setattr(itch, "BLOCK_BYTES", block_bytes)
        monkeypatch.setattr(pitch, "BLOCK_BYTES", block_bytes)
        assert_same(run(path, mode, sample_every="5"), whole)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("form", FORMATS, ids=str)
@pytest.mark.parametrize("seed", range(2))
def test_stopping_and_resuming_changes_nothing(
    form: Format, seed: int, mode: str, tmp_path: Path
) -> None:
    """Stopped at random places, written down and taken up again: the same figures."""
    path = written(form, seed, tmp_path)
    settings = {"batch": 1, "sample_every": "5"}
    whole = run(path, mode, **settings)
    source = random.Random(seed)

    replay = Replay(path, mode=mode, **settings)
    found = outcome(replay, stop_after=source.randint(20, 90))
    stops = 0
    while found.report.stopped_at is not None:
        stops += 1
        checkpoint = tmp_path / f"checkpoint{stops}"
        replay.checkpoint(checkpoint)
        replay = Replay.resume(path, checkpoint)
        found = outcome(replay, found, stop_after=source.randint(20, 90))

    assert stops
    assert_same(found, whole)


@pytest.mark.parametrize("form", FORMATS, ids=str)
@pytest.mark.parametrize("pack", [gzip.compress, lzma.compress, zstd])
def test_packing_changes_nothing(
    form: Format, pack: Callable[[bytes], bytes], tmp_path: Path
) -> None:
    """A file packed with gzip, xz or zstd replays as the plain one."""
    path = written(form, 1, tmp_path)
    plain = run(path, "guided", sample_every="5")
    endings = {gzip.compress: ".gz", lzma.compress: ".xz", zstd: ".zst"}
    packed = path.rename(path.with_name("plain")).with_name(path.name + endings[pack])
    packed.write_bytes(pack(path.with_name("plain").read_bytes()))

    assert_same(run(packed, "guided", sample_every="5"), plain)
