"""The exchange in one process: engine, ledger, journal, proof."""

from .exchange import Balance, Batch, Exchange
from .placed import Fill, Placed
from .proof import AssetProof, Proof

__all__ = ["AssetProof", "Balance", "Batch", "Exchange", "Fill", "Placed", "Proof"]
