"""Where recorded order flow lies: the folder that NEXTRADE_DATA names.

Unset, the tests that need it are skipped and say so; set and absent is a failure, so that
a machine which is meant to have the data cannot pass without it.
"""

import os
from pathlib import Path

import pytest


def recorded(*parts: str) -> Path:
    """The path of a recorded file or folder; skips or fails the test if it cannot be had."""
    root = os.environ.get("NEXTRADE_DATA")
    if not root:
        pytest.skip("NEXTRADE_DATA is not set: it names the folder of recorded order flow")
    path = Path(root, *parts)
    if not path.exists():
        pytest.fail(f"NEXTRADE_DATA is set to {root}, but {path} is not there")
    return path


def recorded_one(folder: str, pattern: str) -> Path:
    """The one file of a recorded folder that matches a pattern."""
    found = sorted(recorded(folder).glob(pattern))
    if len(found) != 1:
        pytest.fail(f"{len(found)} files match {pattern} in {recorded(folder)}, not one")
    return found[0]
