"""Imports go down only: core, then domain and platform, then service, then the faces."""

import re
import subprocess
import sys

import pytest
from importlinter.cli import EXIT_STATUS_SUCCESS, lint_imports

from .tree import ROOT

HEAVY = {"click", "pandas", "polars", "rich"}
CORE_MAY_IMPORT = {
    "blake2b",
    "cpython",
    "cython",
    "enums",
    "errors",
    "dtypes",
    "libc",
    "nextrade",
    "numpy",
}


def test_contracts_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    """The contracts of import-linter in pyproject.toml are kept."""
    monkeypatch.chdir(ROOT)

    assert lint_imports(cache_dir=None) == EXIT_STATUS_SUCCESS


def test_compiled_core_imports_only_the_core() -> None:
    """The Cython files, which import-linter cannot read, import NumPy, C and their own floor."""
    stems = {path.stem for path in (ROOT / "src/nextrade").glob("_*.p*")}
    standard = set(sys.stdlib_module_names)
    for path in sorted((ROOT / "src/nextrade").glob("_*.p[yx][xd]")):
        text = path.read_text(encoding="utf-8")
        statements = re.findall(
            r"^\s*(?:from\s+([\w.]+)\s+c?import|c?import\s+([\w.]+))", text, re.MULTILINE
        )
        for from_module, module in statements:
            top = (from_module or module).lstrip(".").split(".")[0]
            assert not top or top in stems | standard | CORE_MAY_IMPORT, f"{path.name}: {top}"


def test_import_is_light() -> None:
    """``import nextrade`` loads no data frame library and no terminal library."""
    code = "import sys, nextrade; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    ).stdout.split()

    assert not HEAVY.intersection(loaded)
