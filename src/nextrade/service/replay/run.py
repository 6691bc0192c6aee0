"""Drive a book through a source of commands and report what came of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from time import perf_counter

from ..._book import OrderBook
from .checks import find_checks
from .readers import Source, open_source
from .report import Report
from .tally import Tally

DEFAULT_BATCH = 65_536
"""Commands a call of the book: large enough that a call costs nothing, small in memory."""

Progress = Callable[[int, int, int], None]
"""Called after each batch with position, length (both in the source's unit) and commands so far."""


def _silent(position: int, length: int, commands: int) -> None:
    """The progress of a caller who does not ask."""


def run(
    source: Source,
    *,
    book: OrderBook | None = None,
    batch: int = DEFAULT_BATCH,
    progress: Progress = _silent,
) -> Report:
    """Put every command of ``source`` through a book (a new one unless given).

    Memory follows the resting orders and the batch size, not the file. Raises DataError
    when the file turns out to be damaged, ValueError for a batch size below 1.
    """
    if batch < 1:
        raise ValueError(f"batch must be at least 1, not {batch}")
    book = OrderBook() if book is None else book
    tally = Tally()
    engine = 0.0
    started = perf_counter()
    for part in source.batches(batch):
        if len(part.commands):
            before = perf_counter()
            events = book.process(part.commands)
            engine += perf_counter() - before
            tally.add(part.commands, events)
        progress(part.position, source.length, tally.commands)
    total = perf_counter() - started
    top = book.top()
    return Report(
        path=str(source.path),
        format_name=source.format_name,
        commands=tally.commands,
        commands_by_kind=tally.commands_by_kind(),
        rejected_by_reason=tally.rejected_by_reason(),
        events=tally.events,
        events_by_kind=tally.events_by_kind(),
        trades=tally.trades,
        volume_lots=tally.volume_lots,
        notional=tally.notional,
        vwap_ticks=tally.vwap_ticks,
        resting_orders=len(book),
        best_bid=top.bid_ticks,
        best_ask=top.ask_ticks,
        last_price=book.last_price,
        state=book.state.name,
        state_hash=book.state_hash(),
        engine_seconds=engine,
        total_seconds=total,
        remarks=tuple(source.remarks()),
        checks=tuple(find_checks(source)),
    )


def replay(
    path: str | Path,
    format_name: str | None = None,
    *,
    book: OrderBook | None = None,
    batch: int = DEFAULT_BATCH,
    progress: Progress = _silent,
) -> Report:
    """Replay a file of recorded or generated order flow and report what came of it.

    ``format_name`` is one of ``csv``, ``npy``, ``lobster``; without it the first bytes of
    the file decide. Where a recorded order book lies beside the file (LOBSTER), the
    report's ``checks`` compare with it. Raises DataError if the file cannot be read.
    """
    source = open_source(path, format_name)
    return run(source, book=book, batch=batch, progress=progress)
