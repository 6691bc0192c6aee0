"""What ``nextrade submit`` did, as a table or as JSON."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from ..service.gateway.awaiting import Outcome
    from ..service.gateway.sending import Sent

_PLAIN_WIDTH = 100


def print_summary(file: str, sent: Sent, outcome: Outcome | None, troubles: list[str]) -> None:
    """Print a table, then what went wrong."""
    console = Console(highlight=False)
    if not console.is_terminal:  # in a file or a pipe the width of no terminal matters
        console = Console(highlight=False, width=_PLAIN_WIDTH)
    table = Table()
    table.add_column("what", no_wrap=True)
    table.add_column("how much", justify="right", no_wrap=True)
    table.add_row("commands", f"{sent.commands:,}")
    _add(table, "refused before sending", sent.refused)
    table.add_row("confirmed", f"{sent.confirmed:,}")
    if sent.unconfirmed:
        table.add_row("not confirmed", f"{sum(sent.unconfirmed.values()):,}")
    table.add_row("frames", f"{len(sent.frames):,}")
    table.add_section()
    if sent.elapsed_s > 0:
        table.add_row("speed", f"{sent.confirmed / sent.elapsed_s:,.0f} commands/s")
    percentiles = " / ".join(f"{sent.latency_ms(percentile):.2f}" for percentile in (50, 99, 100))
    table.add_row("until confirmed, p50 / p99 / max", f"{percentiles} ms")
    if outcome is not None:
        table.add_section()
        table.add_row("accepted", f"{outcome.accepted:,}")
        _add(table, "rejected", outcome.rejected)
        _add(table, "not run", outcome.not_run)
        if outcome.missing:
            table.add_row("no outcome yet", f"{outcome.missing:,}")
        table.add_row("trades", f"{outcome.trades:,}")
    console.print(f"{file}:", markup=False)
    console.print(table)
    for note in (*_unconfirmed(sent), *troubles):
        click.echo(f"Note: {note}.")


def _add(table: Table, what: str, counts: Counter[str]) -> None:
    if counts:
        table.add_row(what, f"{counts.total():,}")
    for reason, count in counts.most_common():
        table.add_row(f"  {reason}", f"{count:,}")


def _unconfirmed(sent: Sent) -> list[str]:
    notes = []
    for frame, count in sorted(sent.unconfirmed.items()):
        if frame:
            notes.append(f"{count:,} commands of frame {frame} may run or not")
        else:
            notes.append(f"{count:,} commands were never sent")
    return notes


def print_json(file: str, sent: Sent, outcome: Outcome | None, troubles: list[str]) -> None:
    """Print one JSON object."""
    told: dict[str, Any] = {
        "file": file,
        "commands": sent.commands,
        "refused": dict(sent.refused),
        "confirmed": sent.confirmed,
        "frames": len(sent.frames),
        "unconfirmed": {str(frame): count for frame, count in sent.unconfirmed.items()},
        "seconds": round(sent.elapsed_s, 6),
        "confirm_ms": {
            name: round(sent.latency_ms(percentile), 3)
            for name, percentile in (("p50", 50), ("p99", 99), ("max", 100))
        },
    }
    if outcome is not None:
        told |= {
            "accepted": outcome.accepted,
            "rejected": dict(outcome.rejected),
            "not_run": dict(outcome.not_run),
            "missing": outcome.missing,
            "trades": outcome.trades,
        }
    click.echo(json.dumps(told | {"troubles": troubles}, indent=2))
