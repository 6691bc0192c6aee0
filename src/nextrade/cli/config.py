"""``nextrade config``: which settings hold, where each comes from, and a file to start from."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from ..platform.setting_kinds import Hidden, shown
from ..platform.settings import FILE_NAME, SECTIONS, TABLES, Settings, keys, read_settings

_F = TypeVar("_F", bound=Callable[..., Any])


def config_option(function: _F) -> _F:
    """Give a command the option ``--config``, as all that read the settings have it."""
    return click.option(
        "--config",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="The settings file; without, NEXTRADE_CONFIG, then ./nextrade.toml, then the default.",
    )(function)


@click.group(
    "config",
    short_help="Show or write the settings.",
    help="""Show the settings, or write a file to start from.

    The settings of an exchange stand in one TOML file. An environment variable goes over it:
    NEXTRADE_LEDGER__HOME=redis is `home` in the section [ledger]. What neither says keeps the
    default of the package.

    Examples:

    \b
        nextrade config show
        nextrade config init my.toml
        nextrade config show --config my.toml
    """,
)
def config_command() -> None:
    """Choose between the two."""


@config_command.command(
    "show",
    short_help="Show all settings and where each comes from.",
    help="""Show all settings and where each comes from.

    What is wrong is said instead: file, section, key, and what would fit.

    Examples:

    \b
        nextrade config show
        nextrade config show --json
    """,
)
@config_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def show_command(config: Path | None, as_json: bool) -> None:
    """Read, check, print."""
    from ..service.listings_file import listings_of

    settings = read_settings(config)
    listings_of(settings)  # for what it says of a mistake in assets and markets
    if as_json:
        click.echo(json.dumps(_as_json(settings), indent=2))
    else:
        _print_table(settings)


@config_command.command(
    "init",
    short_help="Write the default settings to a file.",
    help=f"""Write the default settings, every one with a comment, to FILE ({FILE_NAME}).

    An existing file is left as it is, unless --force is given.

    Examples:

    \b
        nextrade config init
        nextrade config init exchange.toml
    """,
)
@click.argument("file", type=click.Path(path_type=Path), default=Path(FILE_NAME))
@click.option("--force", is_flag=True, help="Replace an existing file.")
def init_command(file: Path, force: bool) -> None:
    """Write."""
    from ..platform.settings import default_text
    from .failures import DataFailure

    try:
        with file.open("w" if force else "x", encoding="utf-8", newline="\n") as stream:
            stream.write(default_text())
    except FileExistsError as error:
        raise DataFailure(f"{file} is there already; --force replaces it") from error
    click.echo(f"{file}: written; `nextrade config show --config {file}` reads it")


def _as_json(settings: Settings) -> dict[str, Any]:
    told: dict[str, Any] = {"file": None if settings.file is None else str(settings.file)}
    for section in SECTIONS:
        told[section] = {}
        for key in keys(section):
            value = getattr(getattr(settings, section), key)
            told[section][key] = {
                "value": str(value) if isinstance(value, Path | Hidden) else value,
                "from": settings.origins[f"{section}.{key}"],
            }
    for table in TABLES:
        told[table] = {"value": dict(getattr(settings, table)), "from": settings.origins[table]}
    return told


def _print_table(settings: Settings) -> None:
    texts = {
        f"{section}.{key}": shown(kind, getattr(getattr(settings, section), key))
        for section in SECTIONS
        for key, (kind, _) in keys(section).items()
    }
    texts |= {table: ", ".join(getattr(settings, table)) for table in TABLES}
    rows = [("setting", "value", "from")]
    rows += [(name, text, settings.origins[name]) for name, text in texts.items()]
    widths = [max(len(row[column]) for row in rows) for column in range(2)]
    click.echo(f"file: {settings.file or 'none, the default of the package holds'}")
    for name, value, origin in rows:
        click.echo(f"{name:<{widths[0]}}  {value:<{widths[1]}}  {origin}")
