"""Valid files of every format, damaged: an error about the file, or bad records passed over."""

from __future__ import annotations

import random
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nextrade.errors import DataError
from nextrade.service.replay import open_source
from tests.fuzz.readers import MODES, check_file, check_input, mutated

from .samples import FLOWS, SAMPLES

NAMES = sorted(SAMPLES)


@settings(max_examples=100)
@given(
    made=st.sampled_from(NAMES),
    other=st.sampled_from(NAMES),
    forced=st.booleans(),
    mode=st.sampled_from(MODES),
    skip=st.booleans(),
    seed=st.integers(0, 2**32),
)
def test_damage_is_an_error_about_the_file_or_is_passed_over(
    made: str, other: str, forced: bool, mode: str, skip: bool, seed: int
) -> None:
    """Flips, cuts, doubled blocks and pieces of other formats bring no other exception."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "XYZ_message_1.csv")
        path.write_bytes(mutated(random.Random(seed), SAMPLES[made], SAMPLES[other]))
        check_file(path, made if forced else None, mode, skip)


@pytest.mark.parametrize("made", [name for name in NAMES if name not in ("npy", "parquet", "dbn")])
def test_what_is_skipped_is_counted(tmp_path: Path, made: str) -> None:
    """Bad records near the end: strict names the first, skipping says how many there were."""
    count = 3
    path = tmp_path / "XYZ_message_1.csv"
    if made == "itch":
        end = 2 + int.from_bytes(SAMPLES[made][:2], "big")
        # Where the next message begins is not known: a damaged stretch counts once.
        bad, middle, count = b"\0\x03?!?" * 3, end, 1
    else:
        bad, middle = b"no such line\n" * 3, SAMPLES[made].rindex(b"\n", 0, -1) + 1
    path.write_bytes(SAMPLES[made][:middle] + bad + SAMPLES[made][middle:])

    def read(skip: bool) -> list[str]:
        source = open_source(path, made, skip_bad=skip)
        for _ in source.batches(100) if made in FLOWS else source.parts():
            pass
        return source.remarks()

    with pytest.raises(DataError) as raised:
        read(skip=False)
    assert str(path) in str(raised.value)
    assert f"{count} records could not be read and were skipped" in read(skip=True)


def test_inputs_of_the_search_hold() -> None:
    """Each choice of format, mode and skipping on a sample that is whole."""
    for number in range(len(NAMES) + 1):
        for choice in range(8):
            check_input(bytes([number, choice]) + SAMPLES[NAMES[number % len(NAMES)]])
