"""``import nextrade``: quick, quiet, and with nothing that a library user did not ask for."""

import subprocess
import sys

import pytest

import nextrade

HEAVY = ("click", "rich", "pandas", "polars", "nextrade.service", "nextrade.cli", "hypothesis")


def test_importing_the_package_loads_nothing_heavy() -> None:
    """Terminal, table and service modules wait until they are used."""
    code = f"import sys, nextrade; print([name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"


def test_every_public_name_is_there_and_listed() -> None:
    """``__all__`` can be had, ``dir`` shows it, and what does not exist is an AttributeError."""
    for name in nextrade.__all__:
        assert getattr(nextrade, name) is not None
        assert name in dir(nextrade)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        nextrade.nothing  # noqa: B018
