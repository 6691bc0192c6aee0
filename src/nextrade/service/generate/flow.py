"""A model's commands: orders, and what becomes of each later, merged in order of time.

Order k comes at step k. What its sender does with it later (reduce, replace, cancel) is
decided with it, some steps ahead, so a cancel always names an order that came before it;
only if the order has traded meanwhile does the book refuse. Steps are made in blocks and
what lies beyond a block is carried over; the result does not depend on the block size.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from ...dtypes import COMMAND_DTYPE
from ...enums import CommandKind
from ..replay.readers.source import Commands
from .draws import below, draw, power_law
from .models import Flow, Model, Phase
from .orders import (
    BY_AMOUNT,
    IMMEDIATE,
    KILL,
    MARKET,
    STOP,
    TAKE_PROFIT,
    TO_LIMIT,
    classes,
    orders,
    reference_price,
    reference_steps,
)

BLOCK = 1 << 15
"""Orders made at a time."""

START_NS = 34_200 * 1_000_000_000
"""The timestamp before the first command: 09:30 in nanoseconds after midnight."""

_SHARE = 1024
_FATE, _LIFE, _LATER, _CHANGE, _GAP = range(16, 21)
_EXPIRE_EVERY = 4096
_GAP_NS, _LONGEST_GAP_NS = 20_000, 5_000_000_000

_EVENT_DTYPE = np.dtype([("step", "<i8"), ("order", "<i8"), ("command", COMMAND_DTYPE)])
_Events = npt.NDArray[np.void]


class _Stream:
    """Where the flow stands: the next order, the reference price, what is still to come."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.next_order = 0
        self.walk = 0
        self.now_ns = START_NS
        self.written = 0
        self.carried: _Events = np.zeros(0, dtype=_EVENT_DTYPE)

    def phase(self, phase: Phase, commands: int) -> Iterator[Commands]:
        """The commands of one phase, in batches."""
        left = commands
        if phase.begin is not None:
            left -= 1
            yield self._dated(_one(CommandKind.SET_STATE, state=phase.begin))
        left -= phase.uncross_to is not None
        while left > 0:
            events = self._block(phase.flow, min(BLOCK, left))
            if len(events) > left:
                self._give_back(events[left:], events[:left])
                events = events[:left]
            left -= len(events)
            yield self._dated(events["command"].copy())
        if phase.uncross_to is not None:
            reference = int(reference_price(np.array([self.walk]))[0])
            yield self._dated(
                _one(CommandKind.UNCROSS, state=phase.uncross_to, price_ticks=reference)
            )

    def _block(self, flow: Flow, count: int) -> _Events:
        first = self.next_order
        walk = self.walk + np.cumsum(reference_steps(self.seed, flow, first, count))
        kind = classes(self.seed, flow, first, count)
        placed = orders(self.seed, flow, first, kind, reference_price(walk))
        events = np.concatenate([self.carried, *self._lives(flow, first, kind, placed)])
        events = events[np.lexsort((events["order"], events["step"]))]
        due = int(np.searchsorted(events["step"], first + count))
        self.carried = events[due:]
        self.next_order = first + count
        self._walk_of_block, self._first_of_block = walk, first
        self.walk = int(walk[-1])
        return events[:due]

    def _give_back(self, beyond: _Events, emitted: _Events) -> None:
        """A phase ended inside a block: later orders were never made, older ones live on."""
        is_place = emitted["command"]["kind"] == CommandKind.PLACE
        placed = emitted["order"][is_place]
        made = int(placed.max(initial=self._first_of_block - 1)) + 1
        self.carried = np.concatenate([beyond, self.carried])
        self.carried = self.carried[self.carried["order"] < made]
        self.next_order = made
        passed = made - self._first_of_block
        if passed:
            self.walk = int(self._walk_of_block[passed - 1])

    def _lives(
        self, flow: Flow, first: int, kind: npt.NDArray[np.int64], placed: Commands
    ) -> list[_Events]:
        """Everything that happens with these orders: they come, change and go."""
        count = len(placed)
        number = np.arange(first, first + count, dtype=np.int64)
        fate = below(draw(self.seed, _FATE, first, count), _SHARE)
        never = np.isin(kind, (MARKET, BY_AMOUNT, TO_LIMIT, IMMEDIATE, KILL))
        fate[never] = _SHARE
        steady = np.isin(kind, (STOP, TAKE_PROFIT))
        reduces = (fate < flow.reduced) & ~steady
        replaces = ~reduces & (fate < flow.reduced + flow.replaced) & ~steady
        cancels = fate < flow.reduced + flow.replaced + flow.canceled
        life = power_law(draw(self.seed, _LIFE, first, count), flow.lifetime, flow.lifetime_limit)
        later = power_law(draw(self.seed, _LATER, first, count), flow.lifetime, flow.lifetime_limit)
        changed = reduces | replaces
        end = number + life + np.where(changed, later, 0)
        return [
            _events(number, number, placed),
            self._changes(CommandKind.REDUCE, number + life, number, placed, reduces),
            self._changes(CommandKind.REPLACE, number + life, number, placed, replaces),
            self._changes(CommandKind.CANCEL, end, number, placed, cancels),
            *self._housekeeping(flow, number),
        ]

    def _changes(
        self,
        kind: CommandKind,
        step: npt.NDArray[np.int64],
        number: npt.NDArray[np.int64],
        placed: Commands,
        chosen: npt.NDArray[np.bool_],
    ) -> _Events:
        commands = np.zeros(int(np.count_nonzero(chosen)), dtype=COMMAND_DTYPE)
        commands["kind"] = kind
        commands["order_id"] = placed["order_id"][chosen]
        commands["owner"] = placed["owner"][chosen]
        if kind != CommandKind.CANCEL:
            change = draw(self.seed, _CHANGE, int(number[0]), len(number))[chosen]
            lots = placed["qty_lots"][chosen]
            commands["qty_lots"] = 1 + below(change, 1 << 16) * lots // (1 << 16)
            if kind == CommandKind.REPLACE:
                move = (change & np.uint64(7)).astype(np.int64) - 3
                commands["price_ticks"] = np.maximum(placed["price_ticks"][chosen] + move, 1)
        return _events(step[chosen], number[chosen], commands)

    def _housekeeping(self, flow: Flow, number: npt.NDArray[np.int64]) -> Iterator[_Events]:
        """What comes by the count of orders: expiry, and owners who withdraw everything."""
        if flow.till_date:
            due = number[number % _EXPIRE_EVERY == _EXPIRE_EVERY - 1]
            yield _events(due, due, np.repeat(_one(CommandKind.EXPIRE), len(due)))
        if flow.mass_cancel_every:
            due = number[number % flow.mass_cancel_every == flow.mass_cancel_every - 1]
            commands = np.repeat(_one(CommandKind.MASS_CANCEL), len(due))
            commands["owner"] = 1 + due // flow.mass_cancel_every % flow.owners
            yield _events(due, due, commands)

    def _dated(self, commands: Commands) -> Commands:
        """Give the commands their timestamps, which never decrease."""
        gaps = power_law(
            draw(self.seed, _GAP, self.written, len(commands)), _GAP_NS, _LONGEST_GAP_NS
        )
        commands["timestamp_ns"] = self.now_ns + np.cumsum(gaps)
        self.now_ns = int(commands["timestamp_ns"][-1])
        self.written += len(commands)
        dated = commands["expire_ns"] > 0
        commands["expire_ns"][dated] += commands["timestamp_ns"][dated]
        return commands


def _events(
    step: npt.NDArray[np.int64], number: npt.NDArray[np.int64], commands: Commands
) -> _Events:
    events = np.zeros(len(commands), dtype=_EVENT_DTYPE)
    events["step"] = step
    events["order"] = number
    events["command"] = commands
    return events


def _one(kind: CommandKind, state: int = 0, price_ticks: int = 0) -> Commands:
    command = np.zeros(1, dtype=COMMAND_DTYPE)
    command["kind"] = kind
    command["state"] = state
    command["price_ticks"] = price_ticks
    return command


def stream(model: Model, commands: int, seed: int) -> Iterator[Commands]:
    """``commands`` commands of a model in batches of any size."""
    state = _Stream(seed)
    for at, phase in enumerate(model.phases):
        left = commands - state.written
        last = at == len(model.phases) - 1
        share = left if last else min(commands * phase.share // _SHARE, left)
        for batch in state.phase(phase, share):
            yield batch[: commands - (state.written - len(batch))]
