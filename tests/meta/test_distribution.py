"""What goes into the sdist and into the wheel, and what a machine without a compiler is told.

The quick tests let setuptools collect files without compiling; one full test builds the wheel
from the sdist, which shows that the sdist is complete.
"""

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from .tree import ROOT, source_files

NOT_IN_WHEEL = {".pyx", ".c", ".cpp", ".h", ".html"}
IN_WHEEL = {".py", ".pyi", ".pxd", ".lua", ".toml"}
NOT_IN_SDIST = (".ci/", ".github/", ".git")


def setup_py(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a setup.py command in a copy of the source tree."""
    return subprocess.run(
        [sys.executable, "-W", "ignore", "setup.py", *arguments],
        cwd=folder,
        env=os.environ | environment,
        check=False,
        capture_output=True,
        text=True,
    )


@pytest.fixture(scope="module")
def copied(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Copy what belongs to the project, so that a build leaves nothing in the checkout."""
    folder = tmp_path_factory.mktemp("copy")
    for path in source_files():
        target = folder / path.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, target)
    return folder


def expected_in_wheel(folder: Path) -> set[str]:
    """Return the package files that the source tree says a wheel should hold."""
    package = folder / "src/nextrade"
    expected = {
        f"nextrade/{path.relative_to(package).as_posix()}"
        for path in package.rglob("*")
        if path.suffix in IN_WHEEL or path.name == "py.typed"
    }
    expected |= {
        f"nextrade/lua/{path.relative_to(folder / 'lua').as_posix()}"
        for path in (folder / "lua").rglob("*")
        if path.suffix in IN_WHEEL
    }
    return expected


def test_package_files_are_those_of_the_tree(copied: Path) -> None:
    """Python, stubs, Cython headers and ``lua/`` go into the package; sources of C do not."""
    done = setup_py(copied, "-q", "build_py", "--build-lib", "built")
    assert done.returncode == 0, done.stderr
    built = copied / "built"
    collected = {path.relative_to(built).as_posix() for path in built.rglob("*") if path.is_file()}

    assert collected == expected_in_wheel(copied)


def test_sdist_is_complete(copied: Path) -> None:
    """Every source file goes into the sdist, but for what only a forge reads."""
    files = {path.relative_to(ROOT).as_posix() for path in source_files()}
    wanted = {name for name in files if not name.startswith(NOT_IN_SDIST)}
    wanted = {name for name in wanted if not name.endswith(".gitignore")}

    done = setup_py(copied, "-q", "sdist", "--dist-dir", "sdist")
    assert done.returncode == 0, done.stderr
    (archive,) = (copied / "sdist").iterdir()
    with tarfile.open(archive) as tar:
        packed = {name.partition("/")[2] for name in tar.getnames()}

    assert wanted <= packed
    assert not [
        name
        for name in packed
        if name.endswith((".so", ".pyc")) or (name.startswith("src/") and name.endswith(".c"))
    ]


@pytest.mark.skipif(sys.platform == "win32", reason="CC does not choose the compiler there")
def test_without_a_compiler_the_remedy_is_named(copied: Path) -> None:
    """A build that finds no C compiler ends with the packages to install, not a traceback."""
    done = setup_py(
        copied, "-q", "build_ext", "--build-lib", "none", "--build-temp", "none", CC="/nonexistent"
    )

    assert done.returncode != 0
    assert "apt-get install build-essential python3-dev" in done.stderr
    assert "there is no C compiler (/nonexistent)" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.full
def test_wheel_built_from_the_sdist(copied: Path, tmp_path: Path) -> None:
    """A wheel built from the sdist holds the package files, the compiled core, and the licence."""
    build = [
        sys.executable,
        "-m",
        "build",
        "--no-isolation",
        "--outdir",
        str(tmp_path),
        str(copied),
    ]
    done = subprocess.run(build, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    package = {name for name in names if name.startswith("nextrade/")}
    compiled = {name for name in package if name.endswith((".so", ".pyd"))}

    assert package - compiled == expected_in_wheel(copied)
    modules = {
        f"nextrade/{name}" for name in ("_book", "_wire", "_messages", "_balances", "_settle")
    }
    assert {name.split(".")[0] for name in compiled} == modules
    assert len(compiled) == len(modules)
    assert not [name for name in names if Path(name).suffix in NOT_IN_WHEEL]
    assert any(name.endswith("licenses/LICENSE") for name in names)
