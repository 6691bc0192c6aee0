"""Which exchange a command works on: one in a folder, or the one that the settings name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from ..platform.settings import Settings, read_settings
from ..service.exchange import Exchange
from .config import config_option

if TYPE_CHECKING:
    from ..service.home.redis_home import RedisHome

_F = TypeVar("_F", bound=Callable[..., Any])


def home_options(function: _F) -> _F:
    """Give a command the options ``--path`` and ``--config``."""
    return click.option(
        "--path",
        type=click.Path(path_type=Path, file_okay=False),
        metavar="FOLDER",
        help="An exchange in a folder; without, what [ledger] home in the settings says.",
    )(config_option(function))


def folder_of(settings: Settings, path: Path | None) -> Path | None:
    """The folder of the exchange that is meant; None if it lives in Redis."""
    if path is not None:
        return path
    if settings.ledger.home == "redis":
        return None
    if settings.journal.path is None:
        raise click.UsageError(
            "which exchange? Give --path FOLDER, or set `path` in [journal] for one in a folder,"
            ' or home = "redis" in [ledger] for one on Redis servers'
        )
    return settings.journal.path


def embedded(settings: Settings, folder: Path, *, found: bool = False, check: bool = True) -> Any:
    """The exchange of a folder, to read only unless a new one may be founded."""
    from ..service.listings_file import listings_of

    if not found:
        return Exchange(path=folder, read_only=True, check=check)
    # One that is there keeps the listings that it was founded with.
    new = not folder.is_dir() or not any(folder.iterdir())
    listings = listings_of(settings) if new else None
    return Exchange(listings, folder, fsync=settings.journal.fsync)


def redis_home(settings: Settings) -> RedisHome:
    """The ledger on the servers of the settings; MissingExtra without the packages for it."""
    from ..service.home.redis_home import RedisHome

    return RedisHome(settings)


def meant(config: Path | None, path: Path | None) -> tuple[Settings, Path | None]:
    """The settings, and the folder of the exchange or None if it lives in Redis."""
    settings = read_settings(config)
    return settings, folder_of(settings, path)
