"""``nextrade generate``: synthetic order flow into a file."""

from __future__ import annotations

from pathlib import Path

import click

from ..service.generate import MODELS, generate_batches
from ..service.replay import open_writer

_MODELS = "\n".join(f"    {model.name:<16} {model.summary}" for model in MODELS.values())


@click.command(
    "generate",
    short_help="Write synthetic order flow to a file.",
    help=f"""Write seeded synthetic order flow to a file, for nextrade replay.

    The same model, number of commands and seed give the same file on every machine. The
    name of the output says the format: .npy (fast), .csv (readable) or .parquet (small).
    Models:

    \b
{_MODELS}

    Examples:

    \b
        nextrade generate day --output day.npy
        nextrade generate sweep --commands 5000 --seed 7 --output sweep.csv
    """,
)
@click.argument("model", type=click.Choice(list(MODELS)))
@click.option(
    "--commands",
    type=click.IntRange(1, 2_000_000_000),
    default=1_000_000,
    show_default=True,
    metavar="N",
    help="How many commands.",
)
@click.option(
    "--seed",
    type=click.IntRange(0, 2**64 - 1),
    default=1,
    show_default=True,
    metavar="S",
    help="Which of the flows of this model.",
)
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    metavar="FILE",
    help="Where to; it ends with .npy, .csv or .parquet and is replaced if it exists.",
)
def generate_command(model: str, commands: int, seed: int, output: Path) -> None:
    """Parse, generate, write."""
    from .progress import progress_bar

    with progress_bar(f"generate {model}") as progress, open_writer(output) as writer:
        written = 0
        for batch in generate_batches(model, commands, seed):
            writer.write(batch)
            written += len(batch)
            progress(written, commands, written)
    click.echo(f"{output}: {written:,} commands of model {model}, seed {seed}")
