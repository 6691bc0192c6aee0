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
from urllib.parse import urlsplit, urlunsplit


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


_SCHEMES = ("redis", "rediss", "unix")


@dataclass(frozen=True)
class Addresses:
    """Any number of addresses of Redis servers, none of them twice."""

    @property
    def expected(self) -> str:
        return 'a list of addresses such as ["redis://localhost:6379"]'

    def read(self, value: object, _folder: Path) -> tuple[str, ...]:
        if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
            raise Unfit(f"{value!r} is not {self.expected}")
        for address in value:
            _check_address(address)
        twice = {without_password(one) for one in value if value.count(one) > 1}
        if twice:
            raise Unfit(f"{', '.join(sorted(twice))} is listed twice; a shard stands there once")
        return tuple(value)

    def of_text(self, text: str) -> object:
        return [part.strip() for part in text.split(",") if part.strip()]

    def toml(self, value: tuple[str, ...]) -> str:
        return "[" + ", ".join(toml_text(one) for one in value) + "]"


def _check_address(address: str) -> None:
    """Raise Unfit, without showing a password, unless a Redis server can be at the address."""
    if re.search(r"[\s,\x00-\x1f\x7f]", address):
        raise Unfit("an address of [...] holds a blank or a comma; write one server in each text")
    try:
        parts = urlsplit(address)
        port = parts.port
    except ValueError as error:
        raise Unfit(f"an address cannot be read ({error}); {_ADDRESS_FORMS}") from error
    shown = without_password(address)
    if parts.scheme not in _SCHEMES:
        raise Unfit(f"{shown!r} does not start with redis://, rediss:// or unix://")
    if parts.scheme == "unix":
        if not parts.path.startswith("/") or parts.hostname:
            raise Unfit(f"{shown!r} names no socket; {_ADDRESS_FORMS}")
    elif not parts.hostname or port == 0:
        raise Unfit(f"{shown!r} names no host and port; {_ADDRESS_FORMS}")


_ADDRESS_FORMS = "write redis://HOST:PORT or unix:///PATH"


def without_password(address: str) -> str:
    """The address with ``***`` where it carries a password."""
    try:
        parts = urlsplit(address)
        password = parts.password
    except ValueError:
        return "***"
    if password is None:
        # Without "//" urlsplit sees no user part; what stands before an "@" may be a secret.
        return address if "@" not in address or parts.netloc else "***@" + address.split("@")[-1]
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{parts.username}:***@{host}"))
