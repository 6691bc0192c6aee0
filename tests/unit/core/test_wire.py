"""The decoders of feeds: what they remember, how much memory that takes, what they refuse.

The messages are made by the hundred thousand with NumPy, in the layout of ITCH and PITCH.
"""

import random
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pytest

from nextrade._wire import FAULTS, ItchDecoder, PitchDecoder, _fail_allocations_after
from nextrade.service.replay.messages import MESSAGE_DTYPE, Action

HEAD = [("length", ">u2"), ("kind", "S1"), ("locate", ">u2"), ("track", ">u2"), ("time", "S6")]
ADD = np.dtype(
    [*HEAD, ("id", ">u8"), ("side", "S1"), ("lots", ">u4"), ("stock", "S8"), ("price", ">u4")]
)
TAKE = np.dtype([*HEAD, ("id", ">u8"), ("lots", ">u4")])
DELETE = np.dtype([*HEAD, ("id", ">u8")])


def frames(dtype: np.dtype, kind: bytes, ids: npt.ArrayLike) -> npt.NDArray[np.void]:
    """Messages of one type, one for each id, each of one lot."""
    found = np.zeros(len(np.asarray(ids)), dtype)
    found["kind"], found["locate"], found["id"] = kind, 1, ids
    if "lots" in found.dtype.names:
        found["lots"] = 1
    if kind == b"A":
        found["side"], found["stock"] = b"B", b"ALC     "
    return found


def run(decoder: ItchDecoder | PitchDecoder, data: bytes) -> npt.NDArray[np.void]:
    """Everything that a decoder makes of some bytes without a fault."""
    parts = []
    position = 0
    while True:
        out = np.empty(4096, MESSAGE_DTYPE)
        position, filled, fault, _ = decoder.decode(data, position, out, 0, position)
        assert not fault, FAULTS[fault]
        parts.append(out[:filled])
        if filled < len(out) - 1:
            break
    assert position == len(data)
    return np.concatenate(parts)


@pytest.fixture
def starved() -> Iterator[None]:
    """Let allocations succeed again after a test that made them fail."""
    yield
    _fail_allocations_after(-1)


@pytest.mark.parametrize("seed", range(6))
def test_remembers_as_a_dictionary_does(seed: int) -> None:
    """A random life of many orders with few ids gives what a dictionary of orders gives."""
    dice = random.Random(seed)
    pool = [dice.getrandbits(64) if seed % 2 else k for k in range(dice.choice((40, 900, 5000)))]
    model: dict[int, int] = {}
    feed, wanted = [], []
    unknown = repeated = 0
    for _ in range(20_000):
        order_id = dice.choice(pool)
        kind = dice.choice(b"AAXXD")
        dtype = {65: ADD, 88: TAKE, 68: DELETE}[kind]
        frame = frames(dtype, bytes([kind]), [order_id])
        lots = dice.randint(1, 4)
        before = model.get(order_id, 0)
        if kind == 65:
            frame["lots"] = lots
            repeated += before > 0
            model[order_id] = lots
            wanted.append((Action.ADD, order_id, lots, lots))
        elif kind == 88 and before > lots:
            frame["lots"] = lots
            model[order_id] = before - lots
            wanted.append((Action.REDUCE, order_id, lots, before - lots))
        elif kind == 88:
            frame["lots"] = before or lots
            wanted.append(
                (Action.CANCEL, order_id, before, 0)
                if before
                else (Action.REDUCE, order_id, lots, -1)
            )
            model.pop(order_id, None)
        else:
            wanted.append((Action.CANCEL, order_id, before, 0 if before else -1))
            model.pop(order_id, None)
        unknown += kind != 65 and not before
        feed.append(frame.tobytes())
    decoder = ItchDecoder(seed * 7919)
    found = run(decoder, b"".join(feed))

    rows = found[["action", "order_id", "qty_lots", "leaves_lots"]].tolist()
    assert rows == wanted
    assert decoder.open_orders == len(model)
    assert (decoder.unknown, decoder.repeated) == (unknown, repeated)


@pytest.mark.parametrize("scattered", [False, True])
def test_memory_follows_the_orders_open(scattered: bool) -> None:
    """A million orders that come and go, a thousand at a time, need room for some thousand."""
    count, window = 1_000_000, 1000
    ids = np.arange(count, dtype=np.uint64)
    if scattered:
        ids *= np.uint64(0x9E3779B97F4A7C15)
    decoder = ItchDecoder(1)
    slots = []
    for start in range(0, count, 50_000):
        feed = []
        for first in range(start, start + 50_000, window):
            chunk = ids[first : first + window]
            feed += [frames(ADD, b"A", chunk).tobytes(), frames(DELETE, b"D", chunk).tobytes()]
        run(decoder, b"".join(feed))
        slots.append(decoder.slots)

    assert decoder.open_orders == decoder.unknown == 0
    assert max(slots) <= 2048


def test_memory_is_given_back() -> None:
    """A million orders open at once make the map large; when they left, it is small again."""
    ids = np.arange(1_000_000, dtype=np.uint64) * np.uint64(77)
    decoder = ItchDecoder(5)
    run(decoder, frames(ADD, b"A", ids).tobytes())
    largest = decoder.slots
    assert decoder.open_orders == 1_000_000
    assert largest <= 1 << 21

    found = run(decoder, frames(DELETE, b"D", ids[::-1]).tobytes())
    assert (found["qty_lots"] == 1).all()
    assert decoder.open_orders == decoder.unknown == 0
    # The map is looked at when a call begins, and up to 4,096 orders were open then.
    assert decoder.slots <= 1 << 14


def test_clearing_a_market_costs_no_memory() -> None:
    """Orders that a symbol clear removed make room for later ones, whatever else is open."""
    digits = [f"{k:012d}".encode() for k in range(60_000)]
    kept = [b"28800011A" + name + b"B000001KEPT  0000010000Y\n" for name in digits[:2000]]
    decoder = PitchDecoder(9)
    run(decoder, b"".join(kept))
    for start in range(2000, 60_000, 1000):
        feed = [
            b"28800011A" + name + b"B000001GONE  0000010000Y\n"
            for name in digits[start : start + 1000]
        ]
        run(decoder, b"".join([*feed, b"28800011sGONE    \n"]))

    assert decoder.slots <= 16_384
    assert decoder.open_orders == 2000
    assert run(decoder, b"28800011X000000002500000001\n").size == 0
    assert run(decoder, b"28800011X000000001500000001\n")["action"].tolist() == [Action.CANCEL]


def test_the_seed_changes_no_record() -> None:
    """What is decoded does not depend on how ids are hashed."""
    ids = np.random.default_rng(3).integers(0, 1 << 63, 5000, dtype=np.uint64)
    data = frames(ADD, b"A", ids).tobytes() + frames(TAKE, b"X", ids[::3]).tobytes()

    assert np.array_equal(run(ItchDecoder(0), data), run(ItchDecoder((1 << 64) - 1), data))


@pytest.mark.usefixtures("starved")
def test_no_memory_to_grow() -> None:
    """MemoryError leaves the decoder as it was before the message, so it can go on later."""
    data = frames(ADD, b"A", np.arange(3000)).tobytes()
    expected = run(ItchDecoder(2), data)
    decoder = ItchDecoder(2)
    out = np.zeros(4096, MESSAGE_DTYPE)
    _fail_allocations_after(0)
    with pytest.raises(MemoryError):
        decoder.decode(data, 0, out, 0, 0)
    # The map has 1024 places and takes 640 orders.
    assert decoder.open_orders == decoder.counts["A"] == 640
    assert np.array_equal(out[:640], expected[:640])

    _fail_allocations_after(-1)
    position, filled, fault, place = decoder.decode(data, 640 * 38, out, 640, 640 * 38)
    assert (position, filled, fault, place) == (len(data), 3000, 0, len(data))
    assert np.array_equal(out[:3000], expected)


@pytest.mark.usefixtures("starved")
def test_no_memory_for_a_decoder() -> None:
    """A decoder that cannot be made raises MemoryError, whichever allocation fails."""
    for allowed in range(2):
        _fail_allocations_after(allowed)
        with pytest.raises(MemoryError):
            ItchDecoder()


def test_the_array_handed_in_is_checked() -> None:
    """Only a writable, contiguous array of MESSAGE_DTYPE is written to."""
    decoder = ItchDecoder()
    good = np.zeros(8, MESSAGE_DTYPE)
    frozen = good.copy()
    frozen.setflags(write=False)

    with pytest.raises(TypeError):
        decoder.decode(b"", 0, np.zeros(8), 0, 0)
    with pytest.raises(TypeError):
        decoder.decode(b"", 0, good[["place"]], 0, 0)
    for wrong in (good[::2], good.reshape(2, 4), frozen):
        with pytest.raises(ValueError, match="out must be"):
            decoder.decode(b"", 0, wrong, 0, 0)
    with pytest.raises(ValueError, match="filled"):
        decoder.decode(b"", 0, good, 9, 0)
    with pytest.raises(ValueError, match="start"):
        decoder.decode(b"", 1, good, 0, 0)
    with pytest.raises((TypeError, BufferError)):
        decoder.decode("text", 0, good, 0, 0)
    assert decoder.decode(b"", 0, good, 8, 5) == (0, 8, 0, 5)


def test_room_for_a_replacement_is_kept() -> None:
    """A message waits for the next array if its two records would not fit."""
    data = frames(ADD, b"A", [1, 2]).tobytes()
    out = np.zeros(3, MESSAGE_DTYPE)

    assert ItchDecoder().decode(data, 0, out, 2, 0) == (0, 2, 0, 0)
    assert ItchDecoder().decode(data, 0, out, 0, 0)[:2] == (76, 2)
    assert PitchDecoder().decode(b"28800011RSPY     B\n", 0, out, 3, 1) == (0, 3, 0, 1)
