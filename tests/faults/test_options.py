"""Options in any combination: done, a line about the data, or a line about the usage."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from nextrade.cli import root
from nextrade.service.replay import FORMATS, MODES

from .samples import SAMPLES, rows_of

VALUES = {
    "--format": [*FORMATS, "xml"],
    "--mode": [*MODES, "fast"],
    "--market": ["0", "ALC", "file", ""],
    "--depth-every": ["1", "7", "1ms", "2.5s", "0", "-1", "soon", "9" * 30, "1e3", "0ns", ""],
    "--levels": ["1", "3", "1000", "0", "1001"],
    "--batch": ["1", "2", "17", "10000000", "0"],
    "--stop-after": ["1", "20", "1000000", "0"],
    "--trades": ["t.csv", "t.npy", "t.parquet", "t.txt", "file", "no/t.csv"],
    "--events": ["e.csv", "e.npy", "e.parquet", "t.csv"],
    "--depth": ["d.csv", "d.npy", "d.parquet", "t.npy"],
    "--report": ["r.html", "t.csv", "t.csv.part"],
    "--checkpoint": ["state", "t.csv", "file"],
    "--resume": ["old", "file", "absent"],
}
FLAGS = ["--json", "--skip-bad", "--strict", "--hindsight", "--no-hindsight"]
OPTIONS = st.fixed_dictionaries(
    {}, optional={name: st.sampled_from(values) for name, values in VALUES.items()}
)


@settings(max_examples=60)
@given(
    made=st.sampled_from(sorted(SAMPLES)),
    options=OPTIONS,
    flags=st.lists(st.sampled_from(FLAGS), max_size=3),
)
def test_any_options_work_or_are_refused(
    made: str, options: dict[str, str], flags: list[str]
) -> None:
    """Exit code 0, 1 or 2; the recording stays as it is, and every output can be read."""
    home = os.getcwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            Path("file").write_bytes(SAMPLES[made])
            Path("old").write_bytes(b"NEXTRADE REPLAY\0\1")
            words = [word for pair in options.items() for word in pair]
            done = CliRunner().invoke(root, ["replay", "file", *words, *flags])

            assert done.exit_code in (0, 1, 2), done.output
            assert done.exception is None or isinstance(done.exception, SystemExit), done.exc_info
            if done.exit_code:
                assert "Error: " in done.stderr
            assert Path("file").read_bytes() == SAMPLES[made]
            assert list(Path().glob("*.part")) == []
            if not done.exit_code:
                for name in ("--trades", "--events", "--depth"):
                    if name in options:
                        rows_of(Path(options[name]))
        finally:
            os.chdir(home)


def test_what_one_stops_the_other_goes_on_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each sample stops after some records and goes on to the same end."""
    monkeypatch.chdir(tmp_path)
    for made, data in SAMPLES.items():
        Path("file").write_bytes(data)
        call = CliRunner().invoke
        whole = call(root, ["replay", "file", "--json"])
        first = call(root, ["replay", "file", "--json", "--stop-after", "2", "--checkpoint", "s"])
        assert first.exit_code == whole.exit_code == 0, (made, first.output)
        rest = call(root, ["replay", "file", "--json", "--resume", "s"])
        assert rest.exit_code == 0, (made, rest.output)
        assert _hash(rest.stdout) == _hash(whole.stdout), made


def _hash(told: str) -> str:
    return next(line for line in told.splitlines() if '"state_hash"' in line)
