"""Builds the compiled core, module by module, and maps ``lua/`` into the package.

Everything else is in pyproject.toml. Switches, all off unless set in the environment:

NEXTRADE_DEBUG=1                     bounds checks, annotated C, ``-O1 -g``
NEXTRADE_SANITIZE=address,undefined  gcc's or clang's sanitizers
NEXTRADE_NATIVE=1                    code for this machine's processor only
"""

import os
import shutil
import sysconfig
from glob import glob
from pathlib import Path

import numpy
from Cython.Build import cythonize
from setuptools import Extension, find_packages, setup
from setuptools.command.build_ext import build_ext
from setuptools.errors import PlatformError

DEBUG = os.environ.get("NEXTRADE_DEBUG", "") not in ("", "0")
NATIVE = os.environ.get("NEXTRADE_NATIVE", "") not in ("", "0")
SANITIZE = os.environ.get("NEXTRADE_SANITIZE", "")

DIRECTIVES = {
    "language_level": "3",
    "boundscheck": DEBUG,
    "wraparound": False,
    "cdivision": True,
    "initializedcheck": DEBUG,
    "embedsignature": True,
}

NO_COMPILER = """
NexTrade's order book is compiled, and {what} on this machine.

    Debian, Ubuntu   apt-get install build-essential python3-dev
    Fedora           dnf install gcc python3-devel
    Alpine           apk add build-base python3-dev
    macOS            xcode-select --install
    Windows          Visual Studio Build Tools, workload "Desktop development with C++"

Then run the same command again. On a platform with a ready-made wheel no compiler is needed:
`pip install --only-binary nextrade nextrade` tells whether there is one for yours.
"""


def no_compiler(what: str) -> PlatformError:
    """Return the error that tells which package to install."""
    return PlatformError(NO_COMPILER.format(what=what))


class BuildCore(build_ext):
    """Compile with the flags of the compiler at hand, or say what is missing."""

    def build_extensions(self) -> None:
        """Check that compiling is possible, then do it."""
        if self.compiler.compiler_type == "msvc":
            try:
                self.compiler.initialize()
            except Exception as error:  # its class differs between setuptools versions
                raise no_compiler("there is no Visual C++ compiler") from error
            compile_args, link_args = ["/Od", "/Zi"] if DEBUG else ["/O2"], []
        else:
            compiler = self.compiler.compiler_so[0]
            if shutil.which(compiler) is None:
                raise no_compiler(f"there is no C compiler ({compiler})")
            if not Path(sysconfig.get_path("include"), "Python.h").exists():
                raise no_compiler("Python's C headers (Python.h) are missing")
            compile_args, link_args = gcc_args()
        for extension in self.extensions:
            extension.extra_compile_args += compile_args
            extension.extra_link_args += link_args
            extension.sources = self.to_c(extension)
        super().build_extensions()

    def to_c(self, extension: Extension) -> list[str]:
        """Translate the Cython sources; each kind of build has its own folder of C files."""
        translated = cythonize(
            [extension],
            build_dir="build/cython-debug" if DEBUG else "build/cython",
            compiler_directives=DIRECTIVES,
            annotate=DEBUG,
            force=bool(self.force),
        )
        sources: list[str] = translated[0].sources
        return sources


def gcc_args() -> tuple[list[str], list[str]]:
    """Compiler and linker flags for gcc, clang and what takes the same flags."""
    compile_args = ["-O1", "-g"] if DEBUG or SANITIZE else ["-O3"]
    link_args: list[str] = []
    if NATIVE:
        compile_args.append("-march=native")
    if SANITIZE:
        compile_args += [
            f"-fsanitize={SANITIZE}",
            "-fno-sanitize-recover=all",
            "-fno-omit-frame-pointer",
        ]
        link_args.append(f"-fsanitize={SANITIZE}")
    return compile_args, link_args


setup(
    packages=[*find_packages("src"), "nextrade.lua"],
    package_dir={"": "src", "nextrade.lua": "lua"},
    ext_modules=[
        Extension(
            f"nextrade.{name}",
            [f"src/nextrade/{name}.pyx"],
            depends=sorted(glob("src/nextrade/*.pxd")),
            include_dirs=[numpy.get_include()],
            define_macros=[("NPY_NO_DEPRECATED_API", "NPY_2_0_API_VERSION")],
        )
        for name in ("_book", "_wire", "_messages", "_balances", "_settle")
    ],
    cmdclass={"build_ext": BuildCore},
)
