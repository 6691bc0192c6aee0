"""A small valid file of every format, and a longer recording that needs a first pass."""

from __future__ import annotations

import random
import tempfile
from pathlib import Path

import numpy as np

from nextrade.service.generate import generate
from nextrade.service.replay.writers import open_writer
from tests.unit.service.replay.readers.b3_rows import HEADER, Rows
from tests.unit.service.replay.readers.bitstamp_log import Log
from tests.unit.service.replay.readers.databento_files import csv_text, dbn_bytes
from tests.unit.service.replay.readers.test_databento_csv import NASDAQ
from tests.unit.service.replay.readers.test_wire_damage import ITCH_FILE, PITCH_FILE


def _native(folder: Path, ending: str) -> bytes:
    path = folder / f"x.{ending}"
    with open_writer(path) as writer:
        writer.write(generate("day", 400, 3))
    return path.read_bytes()


def _b3(folder: Path) -> bytes:
    rows = Rows(folder / "x")
    for number in range(1, 30):
        rows.add("New", number, ("Buy", "Sell")[number % 2], f"{10 + number % 3}.00", 100)
        if number % 4 == 0:
            rows.add("Cancel", number, "Buy", f"{10 + number % 3}.00", 100)
    return "\n".join([HEADER, *rows.rows, ""]).encode()


def _bitstamp(folder: Path) -> bytes:
    log = Log(folder / "x")
    for number in range(1, 30):
        log.order("created", number, f"{100 + number % 3}.5", "1.25", side=number % 2)
        if number % 3 == 0:
            log.order("deleted", number, f"{100 + number % 3}.5", "1.25", side=number % 2)
        if number % 5 == 0:
            log.trade("100.5", "0.5")
            log.book([("100.5", "1.0")], [("102.5", "2.0")])
    return ("\n".join(log.lines) + "\n").encode()


def lobster_lines(count: int, seed: int = 1) -> bytes:
    """A LOBSTER file: orders come, shrink, trade at the best price, and leave.

    Every tenth line names an order that rested before the start.
    """
    dice = random.Random(seed)
    alive: dict[int, list[int]] = {}
    lines = []
    for number in range(count):
        time = f"{34200 + number // 1000}.{number % 1000:03}000000"
        what = dice.random()
        if number % 10 == 9:
            lines.append(f"{time},3,{number // 10 + 1},100,{5_000_000 + number % 7 * 100},1")
        elif len(alive) < 40 or (what < 0.55 and len(alive) < 150):
            side = dice.choice((1, -1))
            price = 5_850_000 - side * 100 * dice.randrange(-1, 12)
            alive[1_000_000 + number] = [side, price, 100]
            lines.append(f"{time},1,{1_000_000 + number},100,{price},{side}")
        elif what < 0.7:
            side = dice.choice((1, -1))
            own = [one for one in alive if alive[one][0] == side] or list(alive)
            best = max(own, key=lambda one: (alive[one][0] * alive[one][1], -one))
            side, price, left = alive[best]
            lots = min(left, dice.choice((30, 100)))
            lines.append(f"{time},4,{best},{lots},{price},{side}")
            alive[best][2] -= lots
            if not alive[best][2]:
                del alive[best]
        else:
            out = dice.choice(list(alive))
            side, price, left = alive.pop(out)
            lines.append(f"{time},3,{out},{left},{price},{side}")
    return ("\n".join(lines) + "\n").encode()


def _made() -> dict[str, bytes]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        return {
            "csv": _native(folder, "csv"),
            "npy": _native(folder, "npy"),
            "parquet": _native(folder, "parquet"),
            "itch": ITCH_FILE,
            "pitch": PITCH_FILE,
            "b3": _b3(folder),
            "bitstamp": _bitstamp(folder),
            "lobster": lobster_lines(60),
            "dbn": dbn_bytes(NASDAQ),
            "databento": csv_text(NASDAQ).encode(),
        }


SAMPLES = _made()
"""By the name of the format; a flow of the native ones, a recording of the others."""

FLOWS = ("csv", "npy", "parquet")


def rows_of(path: Path) -> list[tuple[object, ...]]:
    """The rows of a table as plain values; fails if the file is not complete."""
    import pyarrow.csv
    import pyarrow.parquet

    if path.suffix == ".npy":
        return np.load(path, max_header_size=1 << 20).tolist()
    read = pyarrow.csv.read_csv if path.suffix == ".csv" else pyarrow.parquet.read_table
    table = read(path)
    return list(zip(*(column.to_pylist() for column in table.columns), strict=True))
