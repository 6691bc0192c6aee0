"""What the value of one setting may be: read from TOML or from a variable's text, and shown again.

A kind turns what stands in a file into the value that the program uses, or raises Unfit with
a sentence that says what would fit. It knows neither the file nor the name of the setting:
``settings`` puts these before the sentence.
"""

# ruff: noqa: D102 - what the methods of a kind do is said once, in Kind

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol


class Unfit(ValueError):
    """The value cannot be this setting; the text says why and what would fit."""


class Kind(Protocol):
    """One kind of value."""

    @property
    def expected(self) -> str:
        """What fits, for a person: "a whole number from 1 to 9"."""
        ...

    def read(self, value: object, folder: Path) -> Any:
        """The value of what stands in TOML; relative paths start at ``folder``. Raises Unfit."""
        ...

    def of_text(self, text: str) -> object:
        """What would stand in TOML for the text of an environment variable. Raises Unfit."""
        ...

    def toml(self, value: Any) -> str:
        """The value as it would be written in TOML."""
        ...


def toml_text(text: str) -> str:
    """A TOML string; JSON's escapes are a part of TOML's, DEL excepted."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007F")


@dataclass(frozen=True)
class Choice:
    """One of some words."""

    words: tuple[str, ...]

    @property
    def expected(self) -> str:
        return "one of " + ", ".join(f'"{word}"' for word in self.words)

    def read(self, value: object, _folder: Path) -> str:
        if not isinstance(value, str) or value not in self.words:
            raise Unfit(f"{value!r} is not {self.expected}")
        return value

    def of_text(self, text: str) -> object:
        return text.strip()

    def toml(self, value: str) -> str:
        return toml_text(value)


@dataclass(frozen=True)
class Whole:
    """A whole number within bounds."""

    least: int
    most: int

    @property
    def expected(self) -> str:
        return f"a whole number from {self.least} to {self.most}"

    def read(self, value: object, _folder: Path) -> int:
        # In Python true is 1; in a settings file it is a mistake.
        if isinstance(value, bool) or not isinstance(value, int):
            raise Unfit(f"{value!r} is not {self.expected}")
        if not self.least <= value <= self.most:
            raise Unfit(f"{value} is not {self.expected}")
        return value

    def of_text(self, text: str) -> object:
        if not re.fullmatch(r"\s*[-+]?[0-9]{1,18}\s*", text, re.ASCII):
            raise Unfit(f"{text!r} is not {self.expected}")
        return int(text)

    def toml(self, value: int) -> str:
        return str(value)


@dataclass(frozen=True)
class Switch:
    """On or off."""

    @property
    def expected(self) -> str:
        return "true or false"

    def read(self, value: object, _folder: Path) -> bool:
        if not isinstance(value, bool):
            raise Unfit(f"{value!r} is not {self.expected}")
        return value

    def of_text(self, text: str) -> object:
        known = {"true": True, "1": True, "false": False, "0": False}
        try:
            return known[text.strip().lower()]
        except KeyError:
            raise Unfit(f"{text!r} is not true or false (nor 1 or 0)") from None

    def toml(self, value: bool) -> str:
        return "true" if value else "false"


@dataclass(frozen=True)
class Place:
    """A path, or where it may be left empty, none."""

    may_be_empty: bool = False

    @property
    def expected(self) -> str:
        return "a path" + (', or "" for none' if self.may_be_empty else "")

    def read(self, value: object, folder: Path) -> Path | None:
        # A NUL no path can hold; a lone surrogate comes of bytes that are no UTF-8.
        if not isinstance(value, str) or re.search("[\0\ud800-\udfff]", value):
            raise Unfit(f"{value!r} is not {self.expected}")
        if not value:
            if self.may_be_empty:
                return None
            raise Unfit(f"it is empty; give {self.expected}")
        try:
            path = Path(value).expanduser()
        except RuntimeError as error:  # "~somebody" whom this machine does not know
            raise Unfit(f"{value!r}: {error}") from error
        return folder / path

    def of_text(self, text: str) -> object:
        return text

    def toml(self, value: Path | None) -> str:
        return toml_text("" if value is None else str(value))


@dataclass(frozen=True)
class Name:
    """One word, or none."""

    @property
    def expected(self) -> str:
        return 'a word, or "" for none'

    def read(self, value: object, _folder: Path) -> str:
        if not isinstance(value, str) or re.search("[\\s\0-\x1f\x7f\ud800-\udfff]", value):
            raise Unfit(f"{value!r} is not {self.expected}")
        return value

    def of_text(self, text: str) -> object:
        return text.strip()

    def toml(self, value: str) -> str:
        return toml_text(value)


class Hidden:
    """A text that is nobody's business: shown as "set" or "not set", wherever it is printed."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The text itself."""
        return self._text

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Hidden) and other._text == self._text

    def __hash__(self) -> int:
        return hash(self._text)

    def __bool__(self) -> bool:
        return bool(self._text)

    def __repr__(self) -> str:
        return "set" if self._text else "not set"


@dataclass(frozen=True)
class Secret:
    """A password. No message tells what it was."""

    most_bytes: int = 0
    """How long it may be; 0: whoever takes it will say."""

    @property
    def expected(self) -> str:
        return f"a text of at most {self.most_bytes} bytes" if self.most_bytes else "a text"

    def read(self, value: object, _folder: Path) -> Hidden:
        if not isinstance(value, str):
            raise Unfit(f"it is not {self.expected}")
        if re.search("[\0\r\n\ud800-\udfff]", value):
            raise Unfit("it holds a line end or another character that no password has")
        if self.most_bytes and len(value.encode()) > self.most_bytes:
            raise Unfit(f"it is not {self.expected}")
        return Hidden(value)

    def of_text(self, text: str) -> object:
        return text

    def toml(self, value: Hidden) -> str:
        return toml_text(value.reveal())


def shown(kind: Kind, value: Any) -> str:
    """A value for everybody's eyes: as in TOML, but for what is hidden."""
    return str(value) if isinstance(value, Hidden) else kind.toml(value)


@dataclass(frozen=True)
class Word:
    """A text that is not empty and fits a pattern."""

    pattern: str = r"[^\x00-\x1f\x7f\ud800-\udfff]{1,200}"

    @property
    def expected(self) -> str:
        plain = self.pattern == type(self).pattern
        return "a text of one line" if plain else "a text of letters, digits, dots, dashes"

    def read(self, value: object, _folder: Path) -> str:
        if not isinstance(value, str) or not re.fullmatch(self.pattern, value):
            raise Unfit(f"{value!r} is not {self.expected}")
        return value

    def of_text(self, text: str) -> object:
        return text

    def toml(self, value: str) -> str:
        return toml_text(value)


@dataclass(frozen=True)
class Addresses:
    """Any number of addresses of servers, none of them twice."""

    sockets: bool = True
    """Whether a server may be reached by the path of a socket."""

    @property
    def expected(self) -> str:
        if not self.sockets:
            return 'a list of addresses such as ["localhost:5672"]'
        return 'a list of addresses such as ["localhost:6379", "/run/redis.sock"]'

    def read(self, value: object, _folder: Path) -> tuple[str, ...]:
        if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
            raise Unfit(f"{value!r} is not {self.expected}")
        for address in value:
            _check_address(address, self.sockets)
        if twice := sorted({one for one in value if value.count(one) > 1}):
            raise Unfit(f"{', '.join(twice)} is listed twice; one server is one shard")
        return tuple(value)

    def of_text(self, text: str) -> object:
        return [part.strip() for part in text.split(",") if part.strip()]

    def toml(self, value: tuple[str, ...]) -> str:
        return "[" + ", ".join(toml_text(one) for one in value) + "]"


def _check_address(address: str, sockets: bool) -> None:
    """Raise Unfit unless a server can be at the address."""
    if sockets and address.startswith("/"):
        if re.search("[\0,\ud800-\udfff]", address):
            raise Unfit(f"{address!r} is not the path of a socket")
        return
    found = re.fullmatch(r"([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]):([0-9]{1,5})", address, re.ASCII)
    if not found or not 1 <= int(found[2]) <= 65535:
        path = ", or the path of a socket" if sockets else ""
        raise Unfit(f"{address!r} is no address; write HOST:PORT{path}")
