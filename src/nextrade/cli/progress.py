"""A progress bar on standard error, where that is a terminal; nothing anywhere else."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from ..service.replay.course import Progress as Report


@contextmanager
def progress_bar(title: str) -> Iterator[Report]:
    """Yields the function to call with position, length and commands so far."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield _silent
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[done]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(title, total=None, done="")

        def show(position: int, length: int, commands: int) -> None:
            elapsed = bar.tasks[0].elapsed or 0.0
            rate = f", {commands / elapsed:,.0f}/s" if elapsed > 0 else ""
            done = f"{commands:,} commands{rate}"
            bar.update(task, total=max(length, 1), completed=position, done=done)

        yield show


def _silent(position: int, length: int, commands: int) -> None:
    """Where nobody watches, nothing is drawn."""
