"""Warnings are errors in the compiled core: Cython's, its performance hints, and the C compiler's.

A performance hint most often means that a function without the GIL takes it after each call to
look for an exception: tens of nanoseconds that no test of behaviour would notice.
"""

import shlex
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import numpy as np
import pytest

from .tree import ROOT

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs gcc or clang")

# Cython's own generated C leaves some static functions unused and some parameters unread.
C_WARNINGS = [
    "-Wall",
    "-Wextra",
    "-Werror",
    "-Wno-unused-function",
    "-Wno-unused-parameter",
    "-Wno-missing-field-initializers",
    "-Wno-cast-function-type",
]


@pytest.fixture(scope="module", params=["_book", "_wire", "_messages", "_balances", "_settle"])
def c_file(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, str]:
    """Translate a module of the core to C as setup.py does; return the file and the messages."""
    module: str = request.param
    target = tmp_path_factory.mktemp("core") / f"{module}.c"
    directives = ["boundscheck=False", "wraparound=False", "cdivision=True"]
    directives += ["initializedcheck=False"]
    done = subprocess.run(
        [sys.executable, "-m", "cython", "-3", "--warning-errors", f"src/nextrade/{module}.pyx"]
        + [word for directive in directives for word in ("-X", directive)]
        + ["-o", str(target)],
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
    )
    messages = done.stdout + done.stderr
    assert done.returncode == 0, messages
    return target, messages


def test_cython_has_nothing_to_say(c_file: tuple[Path, str]) -> None:
    """Cython translates the core without a warning and without a performance hint."""
    _, messages = c_file

    assert messages == ""


def test_c_compiler_has_nothing_to_say(c_file: tuple[Path, str]) -> None:
    """The C compiler accepts the generated C with its warnings turned into errors."""
    source, _ = c_file
    compiler = shlex.split(sysconfig.get_config_var("CC") or "cc")
    if shutil.which(compiler[0]) is None:
        compiler = ["cc"]
    done = subprocess.run(
        [
            *compiler,
            *C_WARNINGS,
            "-O1",
            "-DNPY_NO_DEPRECATED_API=NPY_2_0_API_VERSION",
            "-isystem",
            np.get_include(),
            "-isystem",
            sysconfig.get_path("include"),
            "-c",
            str(source),
            "-o",
            str(source.with_suffix(".o")),
        ],
        check=False,
        capture_output=True,
        text=True,
    )

    assert done.returncode == 0, done.stderr
