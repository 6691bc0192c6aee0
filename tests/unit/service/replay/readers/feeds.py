"""Messages of feeds made by hand, and what a reader makes of a file of them.

The layouts are written down here once more, with ``struct``, from the specifications.
"""

import struct
from pathlib import Path
from typing import Any

import numpy as np

from nextrade.service.replay.messages import MESSAGE_DTYPE
from nextrade.service.replay.readers.source import BadRecords

NAMES = MESSAGE_DTYPE.names


def heading(kind: str, locate: int, time_ns: int) -> bytes:
    """Type, stock locate, tracking number, six bytes of time."""
    return struct.pack(">cHH", kind.encode(), locate, 0) + time_ns.to_bytes(6, "big")


def add(
    order_id: int,
    side: str,
    lots: int,
    price: int,
    *,
    locate: int = 1,
    time_ns: int = 5,
    stock: bytes = b"ALC",
    maker: bytes = b"",
) -> bytes:
    """A new order: A, or F if its maker is named."""
    body = struct.pack(">Qc I8sI", order_id, side.encode(), lots, stock.ljust(8), price)
    return heading("F" if maker else "A", locate, time_ns) + body + maker


def executed(order_id: int, lots: int, *, locate: int = 1, time_ns: int = 6) -> bytes:
    """E."""
    return heading("E", locate, time_ns) + struct.pack(">QIQ", order_id, lots, 77)


def executed_at(order_id: int, lots: int, printable: str, price: int, time_ns: int = 6) -> bytes:
    """C."""
    body = struct.pack(">QIQcI", order_id, lots, 77, printable.encode(), price)
    return heading("C", 1, time_ns) + body


def reduced(order_id: int, lots: int, *, locate: int = 1, time_ns: int = 7) -> bytes:
    """X."""
    return heading("X", locate, time_ns) + struct.pack(">QI", order_id, lots)


def deleted(order_id: int, *, locate: int = 1, time_ns: int = 8) -> bytes:
    """D."""
    return heading("D", locate, time_ns) + struct.pack(">Q", order_id)


def replaced(
    old_id: int, new_id: int, lots: int, price: int, *, locate: int = 1, time_ns: int = 9
) -> bytes:
    """U."""
    return heading("U", locate, time_ns) + struct.pack(">QQII", old_id, new_id, lots, price)


def hidden(side: str, lots: int, price: int, stock: bytes = b"ALC", time_ns: int = 10) -> bytes:
    """P."""
    body = struct.pack(">QcI8sIQ", 0, side.encode(), lots, stock.ljust(8), price, 78)
    return heading("P", 1, time_ns) + body


def crossed(lots: int, price: int, time_ns: int = 11) -> bytes:
    """Q."""
    return heading("Q", 1, time_ns) + struct.pack(">Q8sIQc", lots, b"ALC     ", price, 79, b"O")


def directory(locate: int, stock: bytes, time_ns: int = 1) -> bytes:
    """R; the reader uses the name alone."""
    return heading("R", locate, time_ns) + stock.ljust(8) + b"N" * 20


def framed(*messages: bytes, announced: bool = True) -> bytes:
    """Each message behind its length, or behind 0."""
    return b"".join(
        (len(message) if announced else 0).to_bytes(2, "big") + message for message in messages
    )


class Read:
    """What a reader made of a file: records as dictionaries, markets, remarks."""

    def __init__(self, kind: Any, folder: Path, data: bytes, skip: bool = False) -> None:
        path = folder / "feed"
        path.write_bytes(data)
        self.bad = BadRecords(skip)
        recording = kind(path, self.bad)
        parts = [part.messages for part in recording.parts()]
        self.messages = np.concatenate([np.empty(0, MESSAGE_DTYPE), *parts])
        self.rows = [dict(zip(NAMES, row, strict=True)) for row in self.messages.tolist()]
        self.markets = list(recording.markets)
        self.remarks = recording.remarks()
