"""The exchange in one process: engine, ledger, journal, proof."""

from .exchange import Balance, Exchange
from .machine import Batch
from .placed import Fill, Placed
from .proof import AssetProof, Proof

__all__ = ["AssetProof", "Balance", "Batch", "Exchange", "Fill", "Placed", "Proof"]
