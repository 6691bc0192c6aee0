"""A proof of money as a table and as JSON: of an exchange in a folder, and of one on Redis."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..service.exchange import AssetProof, Proof

if TYPE_CHECKING:
    from ..service.ledger.redis.proof import LedgerProof


def proof_plain(proof: Proof, remarks: list[str]) -> dict[str, object]:
    """What was proved of an exchange in a folder, as JSON can hold it."""
    return _plain(
        proof,
        [
            {name: str(getattr(one, name)) for name in AssetProof.__slots__} | {"holds": one.holds}
            for one in proof.assets
        ],
        remarks,
    )


def ledger_proof_plain(proof: LedgerProof, names: Callable[[int], str]) -> dict[str, object]:
    """What was proved of a ledger on Redis, as JSON can hold it."""
    assets = []
    for one in proof.assets:
        told: dict[str, object] = {"asset": names(one.asset)}
        for name in type(one).__slots__:
            value = getattr(one, name)
            if name != "asset":
                told[name] = None if value is None else str(value)
        assets.append(told | {"holds": one.holds})
    return _plain(proof, assets, list(proof.remarks))


def _plain(proof: Any, assets: Sequence[object], remarks: list[str]) -> dict[str, object]:
    # Amounts are text: sums of money may pass what a reader of JSON keeps exact.
    return {
        "holds": proof.holds,
        "full": proof.full,
        "assets": list(assets),
        "faults": list(proof.faults),
        "remarks": remarks,
    }


def print_proof(folder: Path, proof: Proof, remarks: list[str]) -> None:
    """Show what was proved of an exchange in a folder."""
    columns = ("came in", "available", "of it fees", "held", "by orders", "by withdrawals")
    rows = [
        (
            one.asset,
            (
                one.outside,
                one.available,
                one.fees,
                one.held,
                one.in_orders,
                one.in_withdrawals,
            ),
            one.holds,
        )
        for one in proof.assets
    ]
    _print(f"{folder}, in smallest units", columns, rows, proof, remarks)


def print_ledger_proof(proof: LedgerProof, names: Callable[[int], str]) -> None:
    """Show what was proved of a ledger on Redis."""
    columns = (
        "came in",
        "available",
        "of it fees",
        "held",
        "by orders",
        "by withdrawals",
        "in transfer",
        "in settlement",
    )
    rows = [
        (
            names(one.asset),
            (
                one.outside,
                one.available,
                one.fees,
                one.held,
                one.in_orders,
                one.in_withdrawals,
                one.in_transfer,
                one.in_settlement,
            ),
            one.holds,
        )
        for one in proof.assets
    ]
    _print("the ledger on Redis, in smallest units", columns, rows, proof, list(proof.remarks))


def _print(
    title: str,
    columns: Sequence[str],
    rows: Sequence[tuple[str, Sequence[int], bool]],
    proof: Any,
    remarks: list[str],
) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=110 if len(columns) < 8 else 130)
    table = Table(title=title)
    table.add_column("asset", no_wrap=True)
    for name in columns:
        table.add_column(name, justify="right")
    table.add_column("")
    for asset, figures, holds in rows:
        cells = (f"{figure:,}" for figure in figures)
        table.add_row(asset, *cells, "ok" if holds else "WRONG")
    console.print(table)
    for fault in proof.faults:
        console.print(f"Wrong: {fault}", markup=False)
    for remark in remarks:
        console.print(f"Note: {remark}", markup=False)
    if proof.holds:
        console.print(f"Everything is accounted for ({'full walk' if proof.full else 'totals'}).")
