"""The ledger: who has how much of what, and the only code that changes it."""

from .memory import MemoryLedger
from .protocol import TOTAL_DTYPE, Ledger

__all__ = ["TOTAL_DTYPE", "Ledger", "MemoryLedger"]
