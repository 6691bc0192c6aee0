"""``nextrade verify``: the proof of an exchange's money."""

from __future__ import annotations

import json
from pathlib import Path

import click

from ..errors import BusLost, BusRefused, StackError
from .failures import DataFailure
from .home import embedded, home_options, meant, redis_home
from .progress import late_bar
from .proof_table import ledger_proof_plain, print_ledger_proof, print_proof, proof_plain


@click.command(
    "verify",
    short_help="Prove that every unit of money is where it must be.",
    help="""Prove the money of an exchange: for each asset, what all accounts have is what came
    in less what was paid out, and what is held is what open orders and withdrawals hold.

    Of the exchange in the FOLDER of --path; else of the one that the settings name: [ledger]
    home, and [journal] path. It is opened to read only, also while it is in use. With --full
    every balance is walked; of an exchange in a folder the journal is replayed too, from its
    first record, as far as it is there. The exit code is 1 if anything contradicts itself.

    On Redis the book stores are proved too, and the event streams in RabbitMQ: each partition is
    rebuilt, and at the batch where a bucket stands both must say the same. All of it may run.

    Examples:

    \b
        nextrade deposit 1 USDT 1000 --reference wire-1 --path money
        nextrade verify --path money
        nextrade verify --path money --full --json
    """,
)
@home_options
@click.option("--full", is_flag=True, help="Walk every balance; replay the journal.")
@click.option(
    "--no-stream", is_flag=True, help="Leave the event streams in RabbitMQ out; on Redis only."
)
@click.option("--json", "as_json", is_flag=True, help="Print the proof as JSON.")
@click.pass_context
def verify_command(
    ctx: click.Context,
    path: Path | None,
    config: Path | None,
    full: bool,
    no_stream: bool,
    as_json: bool,
) -> None:
    """Open, prove, show."""
    settings, folder = meant(config, path)
    if folder is not None and no_stream:
        raise click.UsageError(
            f"--no-stream is for an exchange on Redis; that in {folder} has no event streams"
        )
    if folder is None:
        with redis_home(settings) as home, late_bar("Walking buckets") as progress:
            try:
                ledger_proof = home.prove(full=full, stream=not no_stream, progress=progress)
            except (BusLost, BusRefused, StackError) as error:
                raise DataFailure(
                    f"{error}; --no-stream leaves the event streams out of the proof"
                ) from error
        if as_json:
            click.echo(json.dumps(ledger_proof_plain(ledger_proof, home.words.asset), indent=2))
        else:
            print_ledger_proof(ledger_proof, home.words.asset)
        holds = ledger_proof.holds
    else:
        with embedded(settings, folder, check=False) as exchange:
            proof = exchange.verify(full=full)
            remarks = exchange.remarks
        if as_json:
            click.echo(json.dumps(proof_plain(proof, remarks), indent=2))
        else:
            print_proof(folder, proof, remarks)
        holds = proof.holds
    if not holds:
        ctx.exit(1)
