"""One bucket in full, as plain values, for a person who wants to know what it keeps."""

from __future__ import annotations

import struct
from typing import Any

from ..ledger.redis import looking
from ..ledger.redis.bucket_state import bucket_states, wrapped
from ..ledger.redis.scanning import walk
from ..ledger.redis.shards import Shards
from .words import Words

OUTBOX_SHOWN = 10
"""How many of the oldest records of the outbox are shown."""


class BucketView:
    """Looks at buckets. The parts are read one after the other, not at one moment."""

    def __init__(self, shards: Shards, words: Words) -> None:
        self._shards, self._words = shards, words

    def of(self, bucket: int) -> dict[str, Any]:
        """All but the balances of a bucket; UnknownBucket or WrongMap if it cannot be read."""
        shards = self._shards
        ((founding,),) = looking.read_fields(shards, [(bucket, [b"F"])])
        (state,) = bucket_states(shards, [bucket])
        found = walk(shards, bucket)
        version, number, buckets, layout, share = struct.unpack("<IIIIq", founding or bytes(24))
        first, after = state.outbox
        return {
            "bucket": bucket,
            "shard": shards.where(bucket),
            "founding": {
                "map_version": version,
                "bucket": number,
                "buckets": buckets,
                "format": layout,
                "share": str(share),
            },
            "fields": found.fields,
            "balances": len(found.balances),
            # Amounts are text: a reader of JSON keeps them exact.
            "totals": {
                self._words.asset(asset): {
                    name: self._words.amount(asset, amount)
                    for name, amount in zip(
                        ("available", "held", "outside", "transfers", "settled"),
                        sums,
                        strict=True,
                    )
                }
                for asset, sums in state.sums().items()
            },
            "partitions": self._partitions(found.epochs, found.watermarks, state.batches),
            "client_order_ids": found.ids,
            "waiting_answers": len(found.waiting),
            "unfinished_transfers": [name.decode("utf-8", "replace") for name in state.transfers],
            "open_holds": sum(1 for _ in found.open_holds()),
            "outbox": {
                "first": first,
                "next": after,
                "oldest": [
                    self._record(record) for record in looking.outbox(shards, bucket, OUTBOX_SHOWN)
                ],
            },
            "faults": [*([state.fault] if state.fault else []), *found.faults],
        }

    def _partitions(
        self,
        epochs: dict[int, int],
        watermarks: dict[int, int],
        batches: tuple[tuple[tuple[int, int], tuple[int, int]], ...],
    ) -> list[dict[str, Any]]:
        return [
            {
                "partition": partition,
                "epoch": epochs.get(partition, 0),
                "watermark": watermarks.get(partition, 0),
                "sums": {
                    self._words.asset(asset): {
                        "settled": self._words.amount(asset, wrapped(available + held)),
                        "held": self._words.amount(asset, held),
                    }
                    for (own, asset), (available, held) in batches
                    if own == partition
                },
            }
            for partition in sorted({*epochs, *watermarks})
        ]

    def _record(self, record: looking.OutboxRecord) -> dict[str, Any]:
        told: dict[str, Any] = {
            "number": record.number,
            "call": record.call.name.lower(),
            "purpose": record.purpose.name.lower(),
            "account": record.account,
            "asset": self._words.asset(record.asset),
            "amount": self._words.amount(record.asset, record.amount),
            "reference": record.reference,
        }
        if record.other_account:
            told["to_account"] = record.other_account
        return told
