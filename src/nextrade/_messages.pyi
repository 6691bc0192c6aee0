import numpy as np
import numpy.typing as npt

__all__ = [
    "add_up",
    "causes",
    "commands_for",
    "complete_records",
    "event_ends",
    "repeating_commands",
    "requesting_kinds",
    "times_fall",
    "trades_of",
]

def repeating_commands(
    messages: npt.NDArray[np.void], by_id: bool
) -> tuple[npt.NDArray[np.void], npt.NDArray[np.int64]]: ...
def commands_for(
    messages: npt.NDArray[np.void], kinds: npt.NDArray[np.uint8], by_id: bool
) -> tuple[npt.NDArray[np.void], npt.NDArray[np.int64]]: ...
def times_fall(messages: npt.NDArray[np.void], now_ns: int) -> bool: ...
def add_up(
    commands: npt.NDArray[np.void],
    events: npt.NDArray[np.void],
    by_command: npt.NDArray[np.int64],
    by_event: npt.NDArray[np.int64],
    by_reason: npt.NDArray[np.int64],
) -> npt.NDArray[np.void]: ...
def requesting_kinds(
    messages: npt.NDArray[np.void], auctions_match: bool
) -> tuple[
    npt.NDArray[np.uint8], npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int64]
]: ...
def causes(reach: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]: ...
def complete_records(messages: npt.NDArray[np.void], printed: bool) -> int: ...
def event_ends(
    messages: npt.NDArray[np.void], rows: npt.NDArray[np.int64]
) -> npt.NDArray[np.int64]: ...
def trades_of(events: npt.NDArray[np.void]) -> npt.NDArray[np.void]: ...
