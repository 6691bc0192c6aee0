"""A proof of money as a table and as JSON: of an exchange in a folder, and of one on Redis."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..service.exchange import AssetProof, Proof

if TYPE_CHECKING:
    from ..service.ledger.redis.proof import LedgerProof
    from ..service.proof.changes import ChangesProof
    from ..service.proof.exchange import ExchangeProof, PartitionProof


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


def ledger_proof_plain(
    proof: LedgerProof | ExchangeProof, names: Callable[[int], str]
) -> dict[str, object]:
    """What was proved of an exchange on Redis, as JSON can hold it."""
    assets = []
    for one in proof.assets:
        told: dict[str, object] = {"asset": names(one.asset)}
        for name in type(one).__slots__:
            value = getattr(one, name)
            if name != "asset":
                told[name] = None if value is None else str(value)
        assets.append(told | {"holds": one.holds})
    plain = _plain(proof, assets, list(proof.remarks))
    if _partitions(proof):
        plain["partitions"] = [_partition_plain(one) for one in _partitions(proof)]
        changes = _changes(proof)
        plain["changes"] = changes and {
            "waiting": changes.waiting,
            "published": changes.published,
            "repeats": changes.repeats,
            "buckets_added_up": changes.added_up,
        }
    return plain


def _partitions(proof: LedgerProof | ExchangeProof) -> tuple[PartitionProof, ...]:
    # One of the ledger alone has none.
    found: tuple[PartitionProof, ...] = getattr(proof, "partitions", ())
    return found


def _changes(proof: LedgerProof | ExchangeProof) -> ChangesProof | None:
    found: ChangesProof | None = getattr(proof, "changes", None)
    return found


def _partition_plain(one: PartitionProof) -> dict[str, object]:
    told: dict[str, object] = {
        "partition": one.number,
        "batch": one.batch,
        "cleared": one.cleared,
        "snapshot_batch": one.snapshot_batch,
        "open_orders": one.open_orders,
        "stream": None,
    }
    if one.stream is not None:
        told["stream"] = {
            "first_batch": one.stream.first_batch,
            "last_batch": one.stream.last_batch,
            "messages": one.stream.messages,
            "repeats": one.stream.repeats,
            "frames": one.stream.frames,
            "orders_hash": one.stream.orders_hash or None,
        }
    return told


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


_LEDGER = {
    "outside": "came in",
    "available": "available",
    "fees": "of it fees",
    "held": "held",
    "in_orders": "by orders",
    "in_withdrawals": "by withdrawals",
    "in_transfer": "in transfer",
    "in_settlement": "in settlement",
}
_EXCHANGE = {
    "outside": "came in",
    "available": "available",
    "fees": "of it fees",
    "held": "held",
    "order_list": "by orders",
    "in_frames": "by frames",
    "to_settle": "to settle",
    "in_withdrawals": "by withdrawals",
    "in_transfer": "in transfer",
    "in_settlement": "in settlement",
}


def print_ledger_proof(proof: LedgerProof | ExchangeProof, names: Callable[[int], str]) -> None:
    """Show what was proved of an exchange on Redis."""
    partitions = _partitions(proof)
    columns = _EXCHANGE if partitions else _LEDGER
    rows = [
        (names(one.asset), [getattr(one, name) for name in columns], one.holds)
        for one in proof.assets
    ]
    title = f"the {'exchange' if partitions else 'ledger'} on Redis, in smallest units"
    lines = [_partition_line(one) for one in partitions]
    if (changes := _changes(proof)) is not None:
        lines.append(
            f"changes outside batches: {changes.published:,} in the ledger's stream,"
            f" {changes.waiting:,} waiting to be relayed"
        )
    _print(title, tuple(columns.values()), rows, proof, list(proof.remarks), lines)


def _partition_line(one: PartitionProof) -> str:
    told = f"partition {one.number}: batch {one.batch:,}, {_counted(one.open_orders, 'open order')}"
    if one.batch and one.stream is None:
        told += "; its stream was not read"
    elif one.stream is not None and one.stream.last_batch:
        told += f"; its stream agrees up to batch {one.stream.last_batch:,}"
        if one.stream.faults:
            told = told.replace("agrees", "was compared")
    return told


def _counted(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def _print(
    title: str,
    columns: Sequence[str],
    rows: Sequence[tuple[str, Sequence[int], bool]],
    proof: Any,
    remarks: list[str],
    lines: Sequence[str] = (),
) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=110 if len(columns) < 8 else 200)
    table = Table(title=title)
    table.add_column("asset", no_wrap=True)
    for name in columns:
        # A figure that does not fit goes on in the next line: none of its digits is left out.
        table.add_column(name, justify="right", overflow="fold")
    table.add_column("")
    for asset, figures, holds in rows:
        cells = (f"{figure:,}" for figure in figures)
        table.add_row(asset, *cells, "ok" if holds else "WRONG")
    console.print(table)
    for line in lines:
        console.print(line, markup=False)
    for fault in proof.faults:
        console.print(f"Wrong: {fault}", markup=False)
    for remark in remarks:
        console.print(f"Note: {remark}", markup=False)
    if proof.holds:
        console.print(f"Everything is accounted for ({'full walk' if proof.full else 'totals'}).")
