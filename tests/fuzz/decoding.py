"""Bytes as commands: as they are, or read sparingly so that few of them reach deep states.

An input begins with a head of four bytes: mode, sizes of the batches, where the copy branches
off, and how many allocations succeed. In the raw modes the rest is records of COMMAND_DTYPE. In
the others each ten bytes are one command over few ids, prices and owners, with an extreme value
now and then; some of them use ids that live close together in the book's hash map.
"""

from dataclasses import dataclass

import numpy as np

from nextrade.dtypes import COMMAND_DTYPE

HEAD_BYTES = 4
COMPACT_DTYPE = np.dtype(
    [
        (name, "u1")
        for name in [
            "kind",
            "order_id",
            "shape",
            "price",
            "qty",
            "rules",
            "trigger",
            "extra",
            "time",
            "more",
        ]
    ]
)
RAW, LEVELS, NEIGHBOURS, STARVED, LONG = 1, 2, 4, 8, 16
# The long form of an input: its commands so many times, over more ids and prices each time.
TURNS = 6
# Large enough for the book to look ahead in a batch.
LARGE = 20_000

PLACE, CANCEL, REDUCE, REPLACE, MASS_CANCEL, EXPIRE, SET_STATE, UNCROSS = range(1, 9)
KINDS = np.array(
    [PLACE] * 17
    + [CANCEL] * 3
    + [REDUCE] * 2
    + [REPLACE] * 4
    + [MASS_CANCEL, EXPIRE, SET_STATE, SET_STATE, UNCROSS, 0],
    "u1",
)
TYPES = np.array([0, 0, 0, 0, 0, 0, 1, 1, 2, 3, 4, 5, 6, 4, 6, 7], "u1")
TIMES_IN_FORCE = np.array([0, 0, 0, 0, 1, 2, 3, 4], "u1")
EXTREMES = np.array(
    [0, -1, 1, 2, 3, -5, 7, 11, 2**31, 2**32, 2**61, 2**62, 2**62 - 1, 2**63 - 1, -(2**63), 9],
    "<i8",
)
BUCKETS = 10
MULTIPLIER = 0x9E3779B97F4A7C15


def home_bucket(key: int, buckets: int = BUCKETS) -> int:
    """Where the hash map of a small book looks first for a key below 2**32."""
    return ((key * MULTIPLIER % 2**64 >> 32) * buckets) >> 32


NEIGHBOUR_IDS = np.array([k for k in range(1, 3000) if home_bucket(k) in (0, 1, 9)][:256], "<u8")


@dataclass(frozen=True)
class Case:
    """One input, decoded."""

    commands: np.ndarray
    levels: bool
    batch_sizes: tuple[int, int]
    branch_at: int
    allocations: int | None
    capacity: int

    def batches(self) -> list[np.ndarray]:
        """The commands in pieces of alternating sizes."""
        pieces, start = [], 0
        while start < len(self.commands):
            size = self.batch_sizes[len(pieces) % 2]
            pieces.append(self.commands[start : start + size])
            start += size
        return pieces


def decode(data: bytes) -> Case:
    """Any bytes as a case; there is no wrong input."""
    head = data[:HEAD_BYTES].ljust(HEAD_BYTES, b"\0")
    mode = head[0]
    body = data[HEAD_BYTES:]
    if mode & RAW:
        commands = np.frombuffer(body[: len(body) // 80 * 80], COMMAND_DTYPE).copy()
    else:
        rows = np.frombuffer(body[: len(body) // 10 * 10], COMPACT_DTYPE)
        commands = compact_commands(rows, bool(mode & NEIGHBOURS))
        if mode & LONG:
            commands = prolonged(commands)
    bound_slices(commands)
    return Case(
        commands,
        levels=bool(mode & LEVELS),
        batch_sizes=(1 + head[1] % 16 * 5, 1 + head[1] // 16 * 9),
        branch_at=head[2] % 8,
        allocations=head[3] % 32 if mode & STARVED else None,
        capacity=LARGE if head[2] >= 192 else 0,
    )


def bound_slices(commands: np.ndarray) -> None:
    """Beside huge quantities an iceberg shows much at a time: each slice is an event."""
    if (commands["qty_lots"] > 4096).any():
        display = commands["display_lots"]
        display[(display > 0) & (display < 2**53)] += 2**53


def prolonged(commands: np.ndarray) -> np.ndarray:
    """The commands again and again, each turn with other ids, over hundreds of price levels."""
    turns = []
    spread = np.arange(len(commands)) * 37 % 300
    for turn in range(TURNS):
        again = commands.copy()
        again["order_id"] += 256 * turn
        for name in ("price_ticks", "trigger_ticks"):
            usual = (again[name] >= 90) & (again[name] <= 110)
            again[name][usual] += (spread * (turn + 1) % 300)[usual]
        again["timestamp_ns"] += 40 * turn
        again["expire_ns"][again["expire_ns"] > 0] += 40 * turn
        turns.append(again)
    return np.concatenate(turns)


def narrow(values: np.ndarray, low: int, count: int) -> np.ndarray:
    """Most bytes as one of few neighbouring values; the highest sixteen as extremes."""
    near = values.astype("<i8") % count + low
    return np.where(values >= 240, EXTREMES[values % 16], near)


def compact_commands(rows: np.ndarray, neighbours: bool) -> np.ndarray:
    """Commands that have much to do with each other, from ten bytes each."""
    commands = np.zeros(len(rows), COMMAND_DTYPE)
    kind = KINDS[rows["kind"] % len(KINDS)]
    place = kind == PLACE
    order_type = np.where(place, TYPES[rows["shape"] >> 4], 0)
    time_in_force = np.where(place, TIMES_IN_FORCE[rows["rules"] % 8], 0)
    commands["kind"] = kind
    commands["order_type"] = order_type
    commands["order_id"] = NEIGHBOUR_IDS[rows["order_id"]] if neighbours else rows["order_id"] % 48
    commands["side"] = rows["shape"] & 1
    commands["owner"] = (rows["shape"] >> 1) & 3
    commands["self_trade"] = np.where(rows["shape"] & 8, rows["rules"] >> 5, 0)
    commands["time_in_force"] = time_in_force
    commands["price_ticks"] = narrow(rows["price"], 95, 12)
    commands["qty_lots"] = narrow(rows["qty"], 1, 14)
    # Fields that only some orders may have are filled where they may, and elsewhere seldom.
    odd = rows["more"] >= 250
    stops = place & (order_type >= 3) & (order_type <= 6)
    retriggered = (kind == REPLACE) & (rows["more"] % 4 == 0)
    commands["trigger_ticks"] = np.where(
        stops | retriggered | odd, narrow(rows["trigger"], 95, 12), 0
    )
    worst_may_be_none = place & np.isin(order_type, (1, 2, 3, 5)) & (rows["more"] % 2 == 0)
    commands["price_ticks"][worst_may_be_none] = 0
    limited = place & np.isin(order_type, (0, 4, 6)) & np.isin(time_in_force, (0, 3))
    iceberg = limited & (rows["extra"] % 4 == 1)
    commands["display_lots"] = np.where(iceberg | odd, narrow(rows["extra"], 1, 5), 0)
    commands["post_only"] = np.where(
        limited & (order_type == 0) & (rows["extra"] % 8 == 2), rows["extra"] >> 6, 0
    )
    by_amount = place & (order_type == 1) & (time_in_force != 2) & (rows["more"] % 4 == 1)
    commands["quote_amount"] = np.where(
        by_amount | odd, narrow(rows["trigger"], 1, 200) * 9 % 2**62, 0
    )
    commands["qty_lots"][by_amount] = 0
    # Clocks mostly run; some commands are late.
    now = np.cumsum(rows["time"] % 8).astype("<i8") - np.where(rows["time"] >= 224, 30, 0)
    commands["timestamp_ns"] = now
    commands["expire_ns"] = np.where((time_in_force == 3) | odd, now + rows["extra"] % 32, 0)
    commands["state"] = np.where(rows["price"] % 3 == 0, rows["qty"] % 5, rows["qty"] % 2)
    reference = (kind == UNCROSS) & (rows["extra"] % 2 == 0)
    commands["price_ticks"][reference] = 0
    return commands
