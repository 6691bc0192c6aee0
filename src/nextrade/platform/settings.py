"""The settings of an exchange: one TOML file, environment variables over it, all of it checked.

Where each value comes from, the later over the earlier:

1. the file ``default.toml`` of the package, which names every setting and says what it means;
2. your file: the one that is asked for, else the one that NEXTRADE_CONFIG names, else
   ``nextrade.toml`` in the working folder, else none;
3. environment variables, NEXTRADE_SECTION__KEY: ``NEXTRADE_LEDGER__HOME=redis``.

The tables [assets] and [markets] are handed on as they stand: what they mean is for
``service.listings_file`` to say. They belong together, so a file that has one must have both,
and then nothing is taken of those of the default.

Nothing here needs a package beyond Python's own: an exchange in memory reads its default
listings this way, with no extra installed.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from importlib.resources import files
from pathlib import Path
from types import MappingProxyType
from typing import Any

from ..errors import SettingsError
from .setting_kinds import Unfit
from .setting_sections import (
    SECTIONS,
    TABLES,
    GatewaySettings,
    JournalSettings,
    LedgerSettings,
    RabbitSettings,
    StackSettings,
    keys,
)

__all__ = [
    "FILE_NAME",
    "SECTIONS",
    "TABLES",
    "GatewaySettings",
    "JournalSettings",
    "LedgerSettings",
    "RabbitSettings",
    "Settings",
    "StackSettings",
    "default_text",
    "find_file",
    "keys",
    "read_default",
    "read_settings",
    "variable",
]

FILE_NAME = "nextrade.toml"
DEFAULT_NAME = "default.toml of the package"
PREFIX = "NEXTRADE_"
_MOST_BYTES = 1 << 20
"""No settings file is longer; what is, was named by mistake."""


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings, checked, and where each comes from."""

    ledger: LedgerSettings
    journal: JournalSettings
    stack: StackSettings
    rabbit: RabbitSettings
    gateway: GatewaySettings
    assets: Mapping[str, Any]
    markets: Mapping[str, Any]
    file: Path | None
    """Your file; None if only the package's default was read."""
    origins: Mapping[str, str]
    """For ``section.key`` (for a table: ``assets``): "default", a file or a variable."""

    @property
    def listings_source(self) -> str:
        """The file in which [assets] and [markets] stand, to be named in errors."""
        return str(self.file) if self.origins["markets"] != "default" else DEFAULT_NAME


def variable(section: str, key: str) -> str:
    """The environment variable that overrides a setting."""
    return f"{PREFIX}{section.upper()}__{key.upper()}"


def default_text() -> str:
    """The package's default file, comments included."""
    return (files("nextrade") / "default.toml").read_text(encoding="utf-8")


def find_file(
    config: Path | None = None,
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
) -> Path | None:
    """Your settings file by the rules above; None if there is none.

    One that was asked for is returned whether or not it is there: to go on without it would
    be to run with other settings than were meant.
    """
    environment = os.environ if environment is None else environment
    folder = folder or Path()
    if config is not None:
        return folder / config
    if named := environment.get(f"{PREFIX}CONFIG"):
        return folder / named
    usual = folder / FILE_NAME
    # A link that leads nowhere counts: the settings that were meant are not there.
    return usual if os.path.lexists(usual) else None


def read_settings(
    config: Path | None = None,
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
) -> Settings:
    """Find, read and check the settings.

    ``environment`` and ``folder`` are the process's own if not given. Relative paths start at
    the folder of the file in which they stand, those in variables at ``folder``. Raises
    SettingsError, which names the file or variable, the section, the key, and what would fit.
    """
    environment = os.environ if environment is None else environment
    # A file is named in messages as it was named here: relative to where one stands.
    file = find_file(config, environment, folder)
    return _settings(file, environment, (folder or Path()).absolute())


def _settings(file: Path | None, environment: Mapping[str, str], folder: Path) -> Settings:
    values: dict[str, dict[str, Any]] = {section: {} for section in SECTIONS}
    tables: dict[str, Mapping[str, Any]] = {}
    origins: dict[str, str] = {}
    _overlay(tomllib.loads(default_text()), DEFAULT_NAME, folder, values, tables)
    origins |= {f"{section}.{key}": "default" for section in SECTIONS for key in values[section]}
    origins |= dict.fromkeys(TABLES, "default")
    if file is not None:
        content = _content(file)
        _overlay(content, str(file), file.absolute().parent, values, tables)
        given = [f"{name}.{key}" for name in SECTIONS for key in content.get(name, ())]
        given += [name for name in TABLES if name in content]
        origins |= dict.fromkeys(given, str(file))
    for name, (section, key) in _variables(environment).items():
        kind, _ = keys(section)[key]
        try:
            values[section][key] = kind.read(kind.of_text(environment[name]), folder)
        except Unfit as error:
            raise SettingsError(f"environment variable {name}: {error}") from error
        origins[f"{section}.{key}"] = name
    _follow(values, origins)

    return Settings(
        ledger=LedgerSettings(**values["ledger"]),
        journal=JournalSettings(**values["journal"]),
        stack=StackSettings(**values["stack"]),
        rabbit=RabbitSettings(**values["rabbit"]),
        gateway=GatewaySettings(**values["gateway"]),
        assets=MappingProxyType(tables["assets"]),
        markets=MappingProxyType(tables["markets"]),
        file=file,
        origins=MappingProxyType(origins),
    )


def _follow(values: dict[str, dict[str, Any]], origins: dict[str, str]) -> None:
    """Let a ledger on the stack's servers wait for their replicas, unless it is told otherwise."""
    ledger = values["ledger"]
    on_stack = not ledger["shards"] and not ledger["cluster"]
    if on_stack and origins["ledger.replicas"] == "default" and values["stack"]["replicas"]:
        ledger["replicas"] = values["stack"]["replicas"]
        origins["ledger.replicas"] = "[stack] replicas"


def read_default() -> Settings:
    """The settings of the package's default file alone, whatever else is there."""
    return _settings(None, {}, Path.cwd())


def _content(file: Path) -> dict[str, Any]:
    """What stands in a TOML file; SettingsError if it is none."""
    if os.path.exists(file) and not os.path.isfile(file):
        raise SettingsError(f"{file} is no regular file; name a settings file")
    try:
        with file.open("rb") as stream:
            raw = stream.read(_MOST_BYTES + 1)
    except FileNotFoundError as error:
        raise SettingsError(
            f"{file} is not there; `nextrade config init {file}` writes one to start from"
        ) from error
    except (OSError, ValueError) as error:  # ValueError: a name with a NUL in it
        reason = getattr(error, "strerror", None) or str(error)
        raise SettingsError(f"{file} cannot be read: {reason}") from error
    if len(raw) > _MOST_BYTES:
        raise SettingsError(f"{file} is longer than {_MOST_BYTES} bytes: no settings file")
    try:
        return tomllib.loads(raw.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise SettingsError(
            f"{file}: byte {error.start} is no UTF-8 text; save the file as UTF-8"
        ) from error
    except RecursionError as error:
        raise SettingsError(
            f"{file}: brackets are nested too deeply for a settings file"
        ) from error
    except ValueError as error:  # TOMLDecodeError, or a number of thousands of digits
        raise SettingsError(
            f"{file}: this is no TOML: {error}; a line is `key = value` or `[section]`"
        ) from error


def _overlay(
    content: Mapping[str, Any],
    where: str,
    folder: Path,
    values: dict[str, dict[str, Any]],
    tables: dict[str, Mapping[str, Any]],
) -> None:
    """Check what stands in one file and put it over what was there before."""
    for name, section in content.items():
        if name not in SECTIONS and name not in TABLES:
            raise SettingsError(
                f"{where}: {_unknown(name, f'section [{name}]', [*SECTIONS, *TABLES])}"
            )
        if not isinstance(section, dict):
            raise SettingsError(
                f"{where}: {name} is a section; write a line [{name}], then its keys"
            )
        if name in TABLES:
            tables[name] = section
            continue
        known = keys(name)
        for key, value in section.items():
            if key not in known:
                raise SettingsError(
                    f"{where}, [{name}]: {_unknown(key, f'key {key}', list(known))}"
                )
            try:
                values[name][key] = known[key][0].read(value, folder)
            except Unfit as error:
                raise SettingsError(f"{where}, [{name}] {key}: {error}") from error
    missing = [name for name in TABLES if name not in content]
    if len(missing) == 1:
        (other,) = set(TABLES) - set(missing)
        raise SettingsError(
            f"{where}: there is [{other}] and no [{missing[0]}]; they belong together: give both,"
            " or neither to have those of the default"
        )


def _variables(environment: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    """The environment variables that are settings, with section and key.

    A variable that was surely meant as a setting and is none is an error: one that is ignored
    would be found only when the exchange does something else than was asked.
    """
    known = {
        variable(section, key): (section, key) for section in SECTIONS for key in keys(section)
    }
    found = {}
    for name in environment:
        if name in known:
            found[name] = known[name]
        elif name.startswith(PREFIX):
            words = name.removeprefix(PREFIX)
            section = words.split("_")[0].lower()
            if section in TABLES:
                raise SettingsError(
                    f"environment variable {name}: assets and markets stand in the settings file;"
                    f" write them there and unset the variable"
                )
            if "__" in words or section in SECTIONS:
                raise SettingsError(f"environment variable {_unknown(name, name, list(known))}")
    return found


def _unknown(name: str, shown: str, known: list[str]) -> str:
    near = get_close_matches(name, known, n=1, cutoff=0.5)
    if near:
        return f"{shown} is unknown; did you mean {near[0]}? Known are {', '.join(known)}"
    return f"{shown} is unknown; known are {', '.join(known)}"
