"""A progress bar on standard error, where that is a terminal; nothing anywhere else."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
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


@contextmanager
def late_bar(title: str, after_s: float = 2.0) -> Iterator[Callable[[int, int], None]]:
    """Yields the function to call with parts done and all parts; drawn if it takes that long."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn())
    bar = Progress(*columns, console=console, transient=True)
    task = bar.add_task(title, total=None)
    begin, drawn = time.monotonic(), False

    def show(done: int, parts: int) -> None:
        nonlocal drawn
        if not drawn and console.is_terminal and time.monotonic() > begin + after_s:
            bar.start()
            drawn = True
        bar.update(task, total=max(parts, 1), completed=done)

    try:
        yield show
    finally:
        if drawn:
            bar.stop()


def _silent(position: int, length: int, commands: int) -> None:
    """Where nobody watches, nothing is drawn."""
