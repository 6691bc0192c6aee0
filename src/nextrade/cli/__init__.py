"""The command line: one file per command."""

from .main import main, root

__all__ = ["main", "root"]
