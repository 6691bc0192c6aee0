"""Fuzz all readers together: any bytes as a file of any format, in every mode.

    python -m tests.fuzz.readers --seconds 600      search at random
    python -m tests.fuzz.readers crash-1234...      run these inputs once

The first two bytes of an input choose the format (or none: then it is recognised), the mode,
and whether bad records are skipped; the rest is the file. What fails is stored in the working
directory. Under `make fuzz-readers` the sanitizers watch the compiled decoders.
"""

import argparse
import faulthandler
import hashlib
import random
import sys
import tempfile
import time
from pathlib import Path

from nextrade.errors import DataError, MissingExtra
from nextrade.service.replay import FORMATS, Replay, open_source
from nextrade.service.replay.readers import Flow
from tests.faults.samples import SAMPLES

NAMES = [*FORMATS]
MODES = ("match", "guided", "rebuild")
SLOWEST_SECONDS = 20


def check_file(path: Path, format_name: str | None, mode: str, skip: bool) -> str:
    """Replay a file; what was wrong with it or nothing. AssertionError if a promise is broken."""
    since = time.monotonic()
    said = ""
    try:
        source = open_source(path, format_name, skip_bad=skip)
        chosen = None if isinstance(source, Flow) else mode
        replay = Replay(path, format_name, mode=chosen, skip_bad=skip)
        report = replay.run()
        for book in replay.books.values():
            book.check_invariants()
        assert all(isinstance(remark, str) and remark for remark in report.remarks)
    except (DataError, MissingExtra) as error:
        said = str(error)
        assert str(path) in said, f"the error does not name the file: {said}"
        assert "\n" not in said, f"the error is more than a line: {said}"
    assert time.monotonic() - since < SLOWEST_SECONDS, "this took too long"
    return said


def check_input(data: bytes) -> None:
    """Bytes as a choice and a file."""
    if len(data) < 3:
        return
    number = data[0] % (len(NAMES) + 1)
    format_name = NAMES[number] if number < len(NAMES) else None
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "XYZ_message_1.csv")
        path.write_bytes(data[2:])
        check_file(path, format_name, MODES[data[1] % 3], bool(data[1] & 4))


def mutated(dice: random.Random, data: bytes, other: bytes) -> bytes:
    """A file with some bytes changed, cut out, doubled, or taken from another file."""
    changed = bytearray(data)
    for _ in range(dice.randrange(1, 6)):
        if not changed:
            break
        at = dice.randrange(len(changed))
        size = dice.choice((1, 2, 8, 40, 300))
        what = dice.randrange(7)
        if what == 0:
            changed[at] ^= 1 << dice.randrange(8)
        elif what == 1:
            changed[at : at + size] = dice.randbytes(min(size, 8))
        elif what == 2:
            del changed[at : at + size]
        elif what == 3:
            changed[at:at] = changed[max(0, at - size) : at] * dice.randrange(1, 4)
        elif what == 4:
            start = dice.randrange(len(other))
            changed[at:at] = other[start : start + size]
        elif what == 5:
            changed[at : at + 1] = dice.choice(
                (b"9" * 19, b"-1", b"", b"0", b"\n", b",", b"\xff" * 8, b"\0" * 8, b".", b'"')
            )
        else:
            del changed[at:]
    return bytes(changed)


def search(seconds: float, seed: int) -> int:
    """Mutate the samples at random; answers with the number of inputs run."""
    dice = random.Random(seed)
    end = time.monotonic() + seconds
    runs = 0
    while time.monotonic() < end:
        made, other = dice.choice(NAMES), dice.choice(NAMES)
        number = NAMES.index(made) if dice.random() < 0.8 else dice.randrange(256)
        body = mutated(dice, SAMPLES[made], SAMPLES[other])
        data = bytes([number, dice.randrange(256)]) + body
        try:
            check_input(data)
        except BaseException:
            name = f"crash-{hashlib.sha1(data).hexdigest()}"
            Path(name).write_bytes(data)
            print(f"stored the input as {name}", file=sys.stderr)
            raise
        runs += 1
    return runs


def main() -> int:
    """Read the arguments and search, or run the inputs that are named."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=int, default=600)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("inputs", nargs="*", type=Path)
    chosen = parser.parse_args()
    faulthandler.enable()
    for path in chosen.inputs:
        check_input(path.read_bytes())
    if chosen.inputs:
        print(f"{len(chosen.inputs)} inputs hold")
        return 0
    runs = search(chosen.seconds, chosen.seed)
    print(f"{runs:,} inputs in {chosen.seconds} seconds, nothing found")
    return 0


if __name__ == "__main__":
    sys.exit(main())
