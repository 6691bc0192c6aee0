"""What the journal costs: records and bytes a second by batch size, and how long opening takes.

    python -m bench.journal                      # some minutes: ten million records to open
    python -m bench.journal --records 1000000    # a tenth of it
    python -m bench.journal --folder /mnt/disk   # on another disk than that of temporary files

A record is 80 bytes, as a command is. With fsync each commit waits for the device, so these
figures are the device's; without, they are what the processor needs. Opening checks every byte
of every commit (one checksum for each); reading hands out every record and checks it again.
Both begin with files that the system has in memory, but for the last segment, which is read
from the device.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

from nextrade.platform.journal import Journal

PAYLOAD = bytes(range(80))
BATCHES = (1, 10, 100, 1_000, 10_000)
SECONDS = 2.0


@contextmanager
def new_folder(parent: Path | None) -> Iterator[Path]:
    with TemporaryDirectory(dir=parent) as name:
        yield Path(name) / "journal"


def write_rate(parent: Path | None, batch: int, fsync: bool) -> tuple[float, float]:
    """Records a second, and bytes of file a second, in batches of one size."""
    with new_folder(parent) as folder, Journal(folder, fsync=fsync) as journal:
        start = perf_counter()
        spent = 0.0
        while spent < SECONDS:
            for _ in range(batch):
                journal.append(1, PAYLOAD)
            journal.commit()
            spent = perf_counter() - start
        size = sum(path.stat().st_size for path in folder.glob("*.nxj"))
        return journal.last / spent, size / spent


def reopening(parent: Path | None, records: int, batch: int) -> tuple[float, float, int]:
    """Seconds to open and seconds to read that many records, and bytes of all segments."""
    with new_folder(parent) as folder:
        with Journal(folder, fsync=False) as journal:
            while journal.last < records:
                for _ in range(min(batch, records - journal.last)):
                    journal.append(1, PAYLOAD)
                journal.commit()
                if journal.last % (records // 10) < batch:
                    journal.rotate()
        size = sum(path.stat().st_size for path in folder.glob("*.nxj"))
        start = perf_counter()
        with Journal(folder) as journal:
            opened = perf_counter()
            read = sum(1 for _ in journal.read(1))
            ended = perf_counter()
        if read != records:
            raise AssertionError(f"{read} records of {records} came back")
        return opened - start, ended - opened, size


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--records", type=int, default=10_000_000)
    parser.add_argument("--folder", type=Path)
    arguments = parser.parse_args()

    print(f"{'records a commit':>17} {'fsync':>6} {'records/s':>12} {'MB/s':>8}")
    for fsync in (True, False):
        for batch in BATCHES:
            records, size = write_rate(arguments.folder, batch, fsync)
            print(f"{batch:17,} {'yes' if fsync else 'no':>6} {records:12,.0f} {size / 1e6:8,.1f}")
    print()
    print(f"{'records':>12} {'a commit':>9} {'MB':>8} {'open s':>8} {'read s':>8}")
    for batch in (1, 1_000):
        opening, reading, size = reopening(arguments.folder, arguments.records, batch)
        print(
            f"{arguments.records:12,} {batch:9,} {size / 1e6:8,.0f} {opening:8.2f} {reading:8.2f}"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
