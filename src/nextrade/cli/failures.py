"""How a command ends when it cannot do what it was asked: one clear line and an exit code.

0  done
1  the data is not what it was taken for, or an optional package is missing
2  the command was called wrongly
130  interrupted from the keyboard, or asked by SIGTERM to end
"""

from __future__ import annotations

from errno import EPIPE
from typing import Any

import click

from ..errors import NexTradeError


class DataFailure(click.ClickException):
    """What was asked for could not be done with this data."""

    exit_code = 1


class Interrupted(click.ClickException):
    """The user pressed Ctrl-C."""

    exit_code = 130


class FailingWell(click.Group):
    """A group whose commands end with a line instead of a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; translate what it raises."""
        try:
            return super().invoke(ctx)
        except NexTradeError as error:
            raise DataFailure(str(error)) from error
        except KeyboardInterrupt as error:
            raise Interrupted("interrupted; nothing was left half-written") from error
        except OSError as error:
            if error.errno == EPIPE:  # whoever read the output has enough: click ends in silence
                raise
            where = error.filename or "standard output"
            raise DataFailure(f"{where}: {error.strerror or error}") from error
        except MemoryError as error:
            raise DataFailure("there is not enough memory for this") from error
