"""Puts the files in ``lua/`` together into the one library that ``FUNCTION LOAD`` takes.

A file of functions stands in ``lua/``, what several need in ``lua/include/``. A line
``-- include: names`` says which fragments a file needs; each goes in once, before what needs it.
Redis names the lines of the whole in its errors, so the library remembers whence each came.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

__all__ = ["NAME", "VERSION_FUNCTION", "Library", "assemble", "library"]

NAME = "nextrade"
VERSION_FUNCTION = "nextrade_library"

_INCLUDE = re.compile(r"^-- include: (.+)$", re.MULTILINE)
_PLACE = re.compile(r"user_function:(\d+)")


@dataclass(frozen=True)
class Library:
    """The assembled source, its digest, and the file and line of each of its lines."""

    source: str
    digest: str
    places: tuple[str, ...]

    def located(self, message: str) -> str:
        """Return an error message of Redis with the places in ``lua/`` that it speaks of."""

        def place(match: re.Match[str]) -> str:
            line = int(match[1])
            return self.places[line - 1] if line <= len(self.places) else match[0]

        return _PLACE.sub(place, message)


def assemble(functions: Mapping[str, str], fragments: Mapping[str, str]) -> Library:
    """Put files together, given by name without ending.

    Raises ValueError for a fragment that is unknown, unused, named twice, or needs itself.
    """
    lines: list[str] = [f"#!lua name={NAME}"]
    places: list[str] = ["(first line)"]
    ready: list[str] = []

    def add(text: str, name: str, wrapped: bool) -> None:
        body = text.splitlines()
        # A function's file sees the fragments; nobody sees its locals, of which Lua allows 200.
        lines.extend(["do", *body, "end"] if wrapped else body)
        whence = [f"lua/{name}.lua:{number}" for number in range(1, len(body) + 1)]
        places.extend([whence[0], *whence, whence[-1]] if wrapped else whence)

    def include(text: str, file: str, above: tuple[str, ...]) -> None:
        named = " ".join(_INCLUDE.findall(text)).split()
        if len(set(named)) != len(named):
            raise ValueError(f"lua/{file}.lua includes the same fragment twice")
        for name in named:
            if name in above:
                raise ValueError(f"lua/include/{name}.lua includes itself: {(*above, name)}")
            if name not in fragments:
                raise ValueError(f"lua/{file}.lua includes {name!r}, and there is no such fragment")
            if name not in ready:
                include(fragments[name], f"include/{name}", (*above, name))
                add(fragments[name], f"include/{name}", False)
                ready.append(name)

    for name in sorted(functions):
        include(functions[name], name, ())
        add(functions[name], name, True)
    if unused := set(fragments) - set(ready):
        raise ValueError(f"nothing includes {sorted(unused)}")
    digest = hashlib.blake2b("\n".join(lines).encode(), digest_size=16).hexdigest()
    lines.append(
        f"redis.register_function{{function_name='{VERSION_FUNCTION}', "
        f"callback=function() return '{digest}' end, flags={{'no-writes'}}}}"
    )
    places.append("(last line)")
    return Library("\n".join(lines) + "\n", digest, tuple(places))


@cache
def library() -> Library:
    """Return the library of this version of the package."""
    folder = files("nextrade.lua")

    def texts(of: str) -> dict[str, str]:
        place = folder.joinpath(of) if of else folder
        return {
            path.name.removesuffix(".lua"): path.read_text(encoding="utf-8")
            for path in place.iterdir()
            if path.name.endswith(".lua")
        }

    return assemble(texts(""), texts("include"))
