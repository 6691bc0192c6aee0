"""``nextrade verify``: the proof of an exchange's money."""

from __future__ import annotations

import json
from pathlib import Path

import click

from ..service.exchange import AssetProof, Exchange, Proof


@click.command(
    "verify",
    short_help="Prove that every unit of money is where it must be.",
    help="""Prove the money of an exchange: for each asset, what all accounts have is what came
    in less what was paid out, and what is held is what open orders and withdrawals hold.

    PATH is the folder of the exchange; it is opened to read only, also while another process
    uses it. With --full every balance and order is walked, and the journal is replayed from
    its first record, as far as it is there, to compare books and balances. The exit code is 1
    if anything contradicts itself.

    Examples:

    \b
        nextrade deposit money 1 USDT 1000 --reference wire-1
        nextrade verify money
        nextrade verify money --full --json
    """,
)
@click.argument("path", type=click.Path(path_type=Path, file_okay=False))
@click.option("--full", is_flag=True, help="Walk everything, and replay the journal.")
@click.option("--json", "as_json", is_flag=True, help="Print the proof as JSON.")
@click.pass_context
def verify_command(ctx: click.Context, path: Path, full: bool, as_json: bool) -> None:
    """Open, prove, show."""
    with Exchange(path=path, read_only=True, check=False) as exchange:
        proof = exchange.verify(full=full)
        remarks = exchange.remarks
    if as_json:
        click.echo(json.dumps(_plain(proof, remarks), indent=2))
    else:
        _print(path, proof, remarks)
    if not proof.holds:
        ctx.exit(1)


def _plain(proof: Proof, remarks: list[str]) -> dict[str, object]:
    fields = AssetProof.__slots__
    return {
        "holds": proof.holds,
        "full": proof.full,
        # Text: sums of money may pass what a reader of JSON keeps exact.
        "assets": [
            {name: str(getattr(one, name)) for name in fields} | {"holds": one.holds}
            for one in proof.assets
        ],
        "faults": list(proof.faults),
        "remarks": remarks,
    }


def _print(path: Path, proof: Proof, remarks: list[str]) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=110)
    table = Table(title=f"{path}, in smallest units")
    table.add_column("asset", no_wrap=True)
    for name in ("came in", "available", "of it fees", "held", "by orders", "by withdrawals"):
        table.add_column(name, justify="right")
    table.add_column("")
    for one in proof.assets:
        figures = (
            one.outside,
            one.available,
            one.fees,
            one.held,
            one.in_orders,
            one.in_withdrawals,
        )
        table.add_row(
            one.asset, *(f"{figure:,}" for figure in figures), "ok" if one.holds else "WRONG"
        )
    console.print(table)
    for fault in proof.faults:
        console.print(f"Wrong: {fault}", markup=False)
    for remark in remarks:
        console.print(f"Note: {remark}", markup=False)
    if proof.holds:
        console.print(f"Everything is accounted for ({'full walk' if proof.full else 'totals'}).")
