"""Where a search starts, and how an input is changed into another one."""

import random

from tests.fuzz.decoding import HEAD_BYTES, LEVELS, LONG, NEIGHBOURS, RAW, STARVED
from tests.model.compiled import command_array
from tests.model.streams import stream

MODES = (
    0,
    LEVELS,
    LONG,
    LONG | LEVELS,
    LONG | STARVED,
    NEIGHBOURS,
    NEIGHBOURS | LEVELS,
    STARVED,
    STARVED | LEVELS,
    RAW,
    RAW | LEVELS,
)


def seeds(count: int = 44) -> list[bytes]:
    """Inputs of every mode: random ones in short form, and streams that make sense as records."""
    dice = random.Random(0)
    found = []
    for number in range(count):
        mode = MODES[number % len(MODES)]
        head = bytes([mode, *dice.randbytes(HEAD_BYTES - 1)])
        if mode & RAW:
            body = command_array(stream(number, 40)).tobytes()
        else:
            body = dice.randbytes(10 * dice.randrange(1, 300))
        found.append(head + body)
    return found


def mutated(dice: random.Random, corpus: list[bytes]) -> bytes:
    """A known input with a few changes, or one that is all new."""
    if dice.random() < 0.25:
        return bytes([dice.choice(MODES)]) + dice.randbytes(dice.randrange(4000))
    data = bytearray(dice.choice(corpus))
    for _ in range(dice.randrange(1, 12)):
        at = dice.randrange(len(data))
        step = dice.choice([1, 10, 80])
        what = dice.randrange(5)
        if what == 0:
            data[at] = dice.randrange(256)
        elif what == 1:
            data[at] ^= 1 << dice.randrange(8)
        elif what == 2 and len(data) > HEAD_BYTES + step:
            del data[max(at - step, HEAD_BYTES) : at]
        elif what == 3:
            data[at:at] = data[max(at - step * dice.randrange(1, 20), HEAD_BYTES) : at]
        else:
            other = dice.choice(corpus)
            data[at:at] = other[HEAD_BYTES : HEAD_BYTES + step * dice.randrange(1, 20)]
        del data[4096:]
    return bytes(data)
