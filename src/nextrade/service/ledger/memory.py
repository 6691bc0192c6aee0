"""The ledger of an exchange that runs in one process: balances in arrays, no server.

It keeps nothing on disk. Whoever needs that writes what happens to a journal, and now and then
a snapshot: magic, version, length of the head, a head in JSON with all but the balances,
the balances as BALANCE_DTYPE, and a BLAKE2b digest of everything before.
"""

import hashlib
import json
import struct
from collections.abc import Sequence
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt

from ..._balances import ASSETS, DONE, NOT_ASCENDING, NOT_ZERO, OVERFLOW, TOO_LITTLE, Balances
from ...domain.postings import BALANCE_DTYPE
from ...errors import (
    AmountOverflow,
    BadPostings,
    Gap,
    HoldFinished,
    InsufficientFunds,
    ReferenceReused,
    SnapshotError,
    StaleEpoch,
    UnknownReference,
)
from .protocol import (
    MOST_FROM_OUTSIDE,
    TOTAL_DTYPE,
    as_postings,
    as_requests,
    check_batch,
    check_entry,
    check_reference,
    wanted_balances,
)

__all__ = ["MemoryLedger"]

MAGIC: Final = b"NXT-LEDG"
VERSION: Final = 1
HEAD: Final = struct.Struct("<8sIIQ")
DIGEST_BYTES: Final = 16

# What a reference stands for, and how far it has come.
CREDIT, WITHDRAWAL, TRANSFER = "credit", "withdrawal", "transfer"
CLAIMED, DONE_ONCE, HELD, CAPTURED, REFUNDED = range(5)


class MemoryLedger:
    """A Ledger in this process; see ``Ledger`` for what each call does."""

    def __init__(self) -> None:
        self._balances = Balances()
        self._outside: dict[int, int] = {}
        # By reference: [what it is for, how far it has come, details].
        self._references: dict[str, list[Any]] = {}
        self._epochs: dict[int, int] = {}
        self._settled: dict[int, int] = {}
        self._answers: dict[tuple[int, int], tuple[bytes, npt.NDArray[np.bool_]]] = {}

    def __len__(self) -> int:
        """How many pairs of account and asset were ever touched."""
        return len(self._balances)

    # --- batches -------------------------------------------------------------------------------

    def open_partition(self, partition: int, epoch: int) -> int:
        """Take a partition over; return its last settled batch."""
        self._fence(partition, epoch)
        return self._settled.get(partition, 0)

    def reserve(
        self, partition: int, epoch: int, frame_id: int, requests: npt.NDArray[np.void]
    ) -> npt.NDArray[np.bool_]:
        """Hold what each request asks for, in order; tell which could be had."""
        requests = as_requests(requests)
        self._fence(partition, epoch)
        asked = requests.tobytes()
        answer = self._answers.get((partition, frame_id))
        if answer is not None:
            if answer[0] != asked:
                raise ReferenceReused(
                    f"frame {frame_id} of partition {partition} asked for something else before"
                )
            return answer[1].copy()
        granted = np.empty(len(requests), np.bool_)
        self._refuse_postings(self._balances.reserve(requests, granted.view(np.uint8)), requests)
        self._answers[partition, frame_id] = (asked, granted)
        return granted.copy()

    def settle(
        self,
        partition: int,
        epoch: int,
        batch: int,
        postings: npt.NDArray[np.void],
        frames: Sequence[int] = (),
    ) -> None:
        """Apply a batch's postings exactly once, and forget the frames' answers."""
        postings = as_postings(postings)
        self._fence(partition, epoch, batch)
        settled = self._settled.get(partition, 0)
        if batch <= settled:
            return
        if batch != settled + 1:
            raise Gap(
                f"batch {batch} of partition {partition} cannot be settled after batch {settled}"
            )
        self._refuse_postings(self._balances.apply(postings), postings)
        self._settled[partition] = batch
        for frame in frames:
            self._answers.pop((partition, int(frame)), None)

    def _fence(self, partition: int, epoch: int, batch: int = 1) -> None:
        """Refuse an epoch lower than one seen before, and remember a higher one."""
        check_batch(partition, epoch, batch)
        seen = self._epochs.get(partition, 0)
        if epoch < seen:
            raise StaleEpoch(f"partition {partition} is at epoch {seen}, past {epoch}")
        self._epochs[partition] = epoch

    def _refuse_postings(self, code: int, records: npt.NDArray[np.void]) -> None:
        """Raise what a code of the compiled balances means, naming the record at fault."""
        if code == DONE:
            return
        if code == NOT_ZERO:
            raise BadPostings("the postings of an asset do not add up to zero")
        fault = records[self._balances.fault]
        place = f"record {self._balances.fault}, account {fault['account']}, asset {fault['asset']}"
        if code == NOT_ASCENDING:
            raise BadPostings(f"postings do not ascend by account and asset: {place}")
        if code == TOO_LITTLE:
            raise InsufficientFunds(f"a balance would become negative: {place}")
        if code == OVERFLOW:
            raise AmountOverflow(f"a balance would pass 64 bits: {place}")
        raise ValueError(f"an asset lies below {ASSETS:,}, and no amount is negative: {place}")

    # --- one change at a time ------------------------------------------------------------------

    def credit(self, reference: str, account: int, asset: int, amount: int) -> bool:
        """Add what came in from outside, once."""
        entry = self._claim(reference, CREDIT, account, asset, amount)
        if entry[1] != CLAIMED:
            return False
        outside = self._outside.get(asset, 0)
        if outside + amount > MOST_FROM_OUTSIDE:
            raise AmountOverflow(f"asset {asset}: {outside} has come in, {amount} is too much more")
        self._move(account, asset, amount, 0)
        self._outside[asset] = outside + amount
        entry[1] = DONE_ONCE
        return True

    def hold(self, reference: str, account: int, asset: int, amount: int) -> bool:
        """Set aside what is to leave, once."""
        entry = self._claim(reference, WITHDRAWAL, account, asset, amount)
        if entry[1] != CLAIMED:
            return False
        self._move(account, asset, -amount, amount)
        entry[1] = HELD
        return True

    def capture(self, reference: str) -> bool:
        """Let what was held leave for good, once."""
        entry = self._held(reference, CAPTURED)
        if entry[1] != HELD:
            return False
        account, asset, amount = entry[2]
        self._move(account, asset, 0, -amount)
        self._outside[asset] = self._outside.get(asset, 0) - amount
        entry[1] = CAPTURED
        return True

    def refund(self, reference: str) -> bool:
        """Give back what was held, once."""
        entry = self._held(reference, REFUNDED)
        if entry[1] != HELD:
            return False
        account, asset, amount = entry[2]
        self._move(account, asset, amount, -amount)
        entry[1] = REFUNDED
        return True

    def transfer(
        self, reference: str, from_account: int, to_account: int, asset: int, amount: int
    ) -> bool:
        """Move an amount between accounts, once."""
        check_entry(to_account, asset, amount)
        if from_account == to_account:
            raise ValueError(f"a transfer needs two accounts, not twice {from_account}")
        entry = self._claim(reference, TRANSFER, from_account, asset, amount, to_account)
        if entry[1] != CLAIMED:
            return False
        self._move(from_account, asset, -amount, 0)
        self._move(to_account, asset, amount, 0)
        entry[1] = DONE_ONCE
        return True

    def _claim(
        self, reference: str, purpose: str, account: int, asset: int, amount: int, *more: int
    ) -> list[Any]:
        """Entry of a reference, made if new; raises ReferenceReused if it has other details."""
        check_reference(reference)
        check_entry(account, asset, amount)
        details = [account, asset, amount, *more]
        entry = self._references.setdefault(reference, [purpose, CLAIMED, details])
        if entry[0] != purpose or entry[2] != details:
            raise ReferenceReused(f"reference {reference!r} belongs to another {entry[0]}")
        return entry

    def _held(self, reference: str, end: int) -> list[Any]:
        """Entry of a hold that is open, or has come to this end; raises what is in the way."""
        check_reference(reference)
        entry = self._references.get(reference)
        if entry is None or entry[0] != WITHDRAWAL or entry[1] == CLAIMED:
            raise UnknownReference(f"nothing was held under reference {reference!r}")
        if entry[1] not in (HELD, end):
            ended = "captured" if entry[1] == CAPTURED else "refunded"
            raise HoldFinished(f"what was held under reference {reference!r} has been {ended}")
        return entry

    def _move(self, account: int, asset: int, available: int, held: int) -> None:
        """Change one balance; raises InsufficientFunds or AmountOverflow."""
        code = self._balances.move(account, asset, available, held)
        if code == TOO_LITTLE:
            raise InsufficientFunds(
                f"account {account} has too little of asset {asset} for {max(-available, -held)}"
            )
        if code != DONE:
            raise AmountOverflow(f"account {account}: a balance of asset {asset} passes 64 bits")

    # --- looking -------------------------------------------------------------------------------

    def balances(
        self, wanted: int | Sequence[tuple[int, int]] | npt.NDArray[np.void]
    ) -> npt.NDArray[np.void]:
        """Balances wanted, in their order; for one account, all that it has."""
        if isinstance(wanted, int | np.integer):
            records = self.balances([(int(wanted), asset) for asset in sorted(self._outside)])
            return records[(records["available"] | records["held"]) != 0]
        records = wanted_balances(wanted)
        self._balances.look_up(records)
        return records

    def all_balances(self) -> npt.NDArray[np.void]:
        """Every balance that is not zero, ascending by account and asset."""
        records = np.empty(len(self._balances), BALANCE_DTYPE)
        self._balances.copy_to(records)
        records = records[(records["available"] | records["held"]) != 0]
        return records[np.lexsort((records["asset"], records["account"]))]

    def open_holds(self) -> list[tuple[str, int, int, int]]:
        """Reference, account, asset and amount of each withdrawal that is held, by reference."""
        return [
            (reference, *entry[2][:3])
            for reference, entry in sorted(self._references.items())
            if entry[0] == WITHDRAWAL and entry[1] == HELD
        ]

    def totals(self) -> npt.NDArray[np.void]:
        """Sums of each asset that ever came in, ascending."""
        everything = self.all_balances()
        totals = np.zeros(len(self._outside), TOTAL_DTYPE)
        for total, asset in zip(totals, sorted(self._outside), strict=True):
            of_asset = everything[everything["asset"] == asset]
            total["asset"], total["outside"] = asset, self._outside[asset]
            total["available"] = of_asset["available"].sum()
            total["held"] = of_asset["held"].sum()
        return totals

    # --- snapshots -----------------------------------------------------------------------------

    def state_hash(self) -> int:
        """Digest of everything that the ledger knows; equal ledgers have equal digests."""
        digest = hashlib.blake2b(self._state(), digest_size=8).digest()
        return int.from_bytes(digest, "little")

    def snapshot(self) -> bytes:
        """Everything that the ledger knows, for ``restore``."""
        state = self._state()
        return state + hashlib.blake2b(state, digest_size=DIGEST_BYTES).digest()

    def _state(self) -> bytes:
        head = {
            "outside": sorted(self._outside.items()),
            "references": sorted(self._references.items()),
            "epochs": sorted(self._epochs.items()),
            "settled": sorted(self._settled.items()),
            "answers": [
                [*frame, asked.hex(), granted.tobytes().hex()]
                for frame, (asked, granted) in sorted(self._answers.items())
            ],
        }
        encoded = json.dumps(head, separators=(",", ":")).encode()
        head_bytes = HEAD.pack(MAGIC, VERSION, 0, len(encoded))
        return head_bytes + encoded + self.all_balances().tobytes()

    @classmethod
    def restore(cls, snapshot: bytes) -> Self:
        """Ledger as it was when the snapshot was made; raises SnapshotError if it is damaged."""
        if len(snapshot) < HEAD.size + DIGEST_BYTES or not snapshot.startswith(MAGIC):
            raise SnapshotError("these bytes are not a snapshot of a ledger, or are cut off")
        state, digest = snapshot[:-DIGEST_BYTES], snapshot[-DIGEST_BYTES:]
        if hashlib.blake2b(state, digest_size=DIGEST_BYTES).digest() != digest:
            raise SnapshotError("the snapshot of a ledger is damaged: its digest does not fit")
        _, version, _, head_bytes = HEAD.unpack_from(state)
        if version != VERSION:
            raise SnapshotError(
                f"a ledger's snapshot of version {version} is unknown here; "
                f"this release reads version {VERSION}"
            )
        head = json.loads(state[HEAD.size : HEAD.size + head_bytes])
        ledger = cls()
        ledger._outside = dict(head["outside"])
        ledger._references = dict(head["references"])
        ledger._epochs = dict(head["epochs"])
        ledger._settled = dict(head["settled"])
        for partition, frame, asked, granted in head["answers"]:
            answer = np.frombuffer(bytes.fromhex(granted), np.bool_)
            ledger._answers[partition, frame] = (bytes.fromhex(asked), answer)
        for record in np.frombuffer(state[HEAD.size + head_bytes :], BALANCE_DTYPE):
            ledger._balances.move(*record.item())
        return ledger
