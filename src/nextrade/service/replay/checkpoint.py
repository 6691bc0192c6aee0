"""The state of a replay that was stopped, in a file, and the way back into it.

A checkpoint holds the books, what was compared and counted, and how many chunks of each
market have been run. On resuming, the recording is read again from the start, since what
readers and starters know follows from that; the chunks that were run before are passed over.

The state is a pickle between a header and a checksum. Only the classes that a state is made of
are taken from it, so a file from elsewhere can do no more than fail to load. Names with a dot
are none of them: ``pickle`` would walk along those through what a module has imported.
"""

from __future__ import annotations

import hashlib
import io
import pickle
from pathlib import Path
from typing import Any

from ...errors import DataError
from .readers.unpacked import first_bytes
from .writers.new_file import NewFile

_MAGIC = b"NEXTRADE REPLAY\x00"
_VERSION = 1
_DIGEST = 16

_STATE_MODULES = {
    f"{__package__}.{name}"
    for name in (
        "auctions",
        "compare",
        "depth_check",
        "engine",
        "flow_lane",
        "guide",
        "lanes",
        "latency",
        "match_lane",
        "messages",
        "tally",
        "totals",
        "unseen",
    )
}
"""Where the classes are defined that a state is made of. None of them touches a file."""

_STATE_KEYS = {"file", "format", "settings", "markets", "totals"}

_ALLOWED = {
    ("nextrade._book", "OrderBook"),
    ("builtins", "set"),
    ("builtins", "frozenset"),
    ("builtins", "getattr"),
    ("collections", "Counter"),
    ("fractions", "Fraction"),
    ("pathlib", "PosixPath"),
    ("pathlib", "WindowsPath"),
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
    ("numpy._core.multiarray", "_reconstruct"),
    ("numpy._core.multiarray", "scalar"),
    ("numpy._core.numeric", "_frombuffer"),
}


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        """The classes of a state, and the few others that they are made of."""
        if (module, name) == ("builtins", "getattr"):
            return _attribute
        if (module, name) in _ALLOWED:
            return super().find_class(module, name)
        if module in _STATE_MODULES and "." not in name:
            found = super().find_class(module, name)
            if isinstance(found, type) and found.__module__ == module:
                return found
        raise pickle.UnpicklingError(f"{module}.{name} has no place in a checkpoint")


def _attribute(owner: type, name: str) -> Any:
    """``getattr`` for what a pickled bound class method needs, and nothing else."""
    if isinstance(owner, type) and owner.__module__.startswith("nextrade.") and name[0] != "_":
        return getattr(owner, name)
    raise pickle.UnpicklingError(f"{owner!r}.{name} has no place in a checkpoint")


def fingerprint(path: Path) -> dict[str, Any]:
    """What tells whether a file is the one that a checkpoint was made of."""
    head = first_bytes(path)
    return {"size": path.stat().st_size, "head": hashlib.blake2b(head, digest_size=16).hexdigest()}


def write_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Write a state; the file appears only when it is complete. DataError if it cannot be."""
    body = pickle.dumps(state, protocol=5)
    digest = hashlib.blake2b(body, digest_size=_DIGEST).digest()
    with NewFile(path) as file:
        file.put(_MAGIC + bytes([_VERSION]) + len(body).to_bytes(8, "little") + digest)
        file.put(body)


def read_checkpoint(path: Path, source: Path) -> dict[str, Any]:
    """Read a state back; DataError if it is damaged, foreign, or of another file."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from error
    start = len(_MAGIC) + 1 + 8 + _DIGEST
    if not data.startswith(_MAGIC) or len(data) < start:
        raise DataError(f"{path}: is not a checkpoint of a replay")
    version = data[len(_MAGIC)]
    if version != _VERSION:
        raise DataError(
            f"{path}: a checkpoint of version {version}, known here is {_VERSION};"
            " replay the file from the start"
        )
    length = int.from_bytes(data[len(_MAGIC) + 1 :][:8], "little")
    body = data[start:]
    digest = hashlib.blake2b(body, digest_size=_DIGEST).digest()
    if len(body) != length or digest != data[start - _DIGEST : start]:
        raise DataError(f"{path}: the checkpoint is damaged; replay the file from the start")
    try:
        state: dict[str, Any] = _Unpickler(io.BytesIO(body)).load()
    except Exception as error:  # a pickle of other content may fail in any way
        raise DataError(f"{path}: the checkpoint cannot be read: {error}") from error
    if not isinstance(state, dict) or set(state) != _STATE_KEYS:
        raise DataError(f"{path}: the checkpoint holds something else than a replay")
    if state["file"] != fingerprint(source):
        raise DataError(f"{path}: was made of another file than {source}")
    return state
