"""The benchmark of the exchange measures whole cycles, and opens what it wrote."""

from __future__ import annotations

import pytest
from bench import exchange


def test_every_way_of_keeping_runs() -> None:
    """In memory and with a journal, asked of the disk or not; the proof is in ``cycles``."""
    for path, fsync in ((False, False), (True, False), (True, True)):
        assert exchange.measure(100, 1_000, 1, path=path, fsync=fsync) > 0


def test_recovery_opens_what_was_written(capsys: pytest.CaptureFixture[str]) -> None:
    """By the journal and by a snapshot the state is the same, or there is no figure."""
    exchange.recovery(1_000)
    shown = capsys.readouterr().out

    assert shown.startswith("open after 1,000 commands: ")
    assert "by journal" in shown
    assert "by snapshot" in shown
