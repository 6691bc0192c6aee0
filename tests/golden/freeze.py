"""Freeze what the book answers to seeded streams, so that no optimisation changes it unseen.

    python -m tests.golden.freeze

writes frozen.json, and refuses if the compiled book and the oracle differ. Do it only when
the rules, the streams or a published number changed on purpose, and say so in the changelog.
"""

import hashlib
import json
import struct
import sys
from collections.abc import Iterable
from pathlib import Path

from tests.model.compiled import OrderBook, command_array
from tests.model.streams import stream
from tests.oracle.oracle import Oracle

FROZEN = Path(__file__).with_name("frozen.json")
SEEDS = range(1, 65)
COMMANDS = 500

COMMAND = "<qQqqqqqqIIBBBBBBBB"
EVENT = "<qQqqqQqqIIIBBBB"
LEVEL = "<qqIIB7x"


def digest(layout: str, rows: Iterable[tuple[int, ...]]) -> str:
    """A hash of records in the byte layout of the NumPy ones."""
    return digest_bytes(b"".join(struct.pack(layout, *row) for row in rows))


def digest_bytes(data: bytes) -> str:
    """A short hash of bytes."""
    return hashlib.blake2b(data, digest_size=16).hexdigest()


def by_oracle(seed: int) -> dict[str, str | int]:
    """What the oracle answers to the stream of one seed."""
    commands, oracle = stream(seed, COMMANDS), Oracle()
    events, levels = oracle.process(commands)
    return {
        "commands": digest(COMMAND, commands),
        "events": digest(EVENT, events),
        "levels": digest(LEVEL, levels),
        "state_hash": f"{oracle.state_hash():016x}",
        "count": len(events),
    }


def by_compiled(seed: int) -> dict[str, str | int]:
    """What the compiled book answers to the stream of one seed."""
    commands, book = command_array(stream(seed, COMMANDS)), OrderBook()
    events, levels = book.process(commands, levels=True)
    return {
        "commands": digest_bytes(commands.tobytes()),
        "events": digest_bytes(events.tobytes()),
        "levels": digest_bytes(levels.tobytes()),
        "state_hash": f"{book.state_hash():016x}",
        "count": len(events),
    }


def main() -> int:
    """Write the frozen answers if both books give the same."""
    answers = {}
    for seed in SEEDS:
        expected, actual = by_oracle(seed), by_compiled(seed)
        if expected != actual:
            print(f"seed {seed}: the books differ; nothing is frozen")
            print(f"look at it: python -m tests.model.differential --seed {seed} --streams 1")
            return 1
        answers[str(seed)] = expected
    FROZEN.write_text(json.dumps(answers, indent=1) + "\n")
    print(f"{len(answers)} streams of {COMMANDS} commands frozen in {FROZEN.name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
