"""Somebody who trades along: sees what happens in a replay and sends orders of its own.

The orders take part in the matching like all others. They belong to ``AGENT_OWNER``, so an
agent can neither change nor cancel what was recorded, and guided mode leaves them alone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ..._book import OrderBook
from ...dtypes import COMMAND_DTYPE, EVENT_DTYPE
from ...enums import CommandKind, EventKind
from .engine import Engine
from .lanes import Step, empty_step
from .messages import Action
from .readers.source import Commands

AGENT_OWNER = 2
"""The owner of every order that an agent sends."""

AGENT_IDS = 1 << 62
"""Recorded orders have lower ids, those that a replay works out higher ones (from 2**63)."""


_JOINS = np.array([CommandKind.PLACE, CommandKind.REPLACE], dtype=np.uint8)
"""Kinds of command after which an order may stand at the end of a queue."""


_OF_THE_MARKET = (CommandKind.EXPIRE, CommandKind.SET_STATE, CommandKind.UNCROSS)
"""What only a market itself does: a halt or a clock set by an agent would change the recording."""


class View(NamedTuple):
    """What an agent sees after each batch of one market."""

    market: str
    now_ns: int
    """The time of the last record."""
    step: Step
    """What was recorded and what it did."""
    events: npt.NDArray[np.void]
    """All that happened in the market since the last call, of EVENT_DTYPE, own orders first."""
    book: OrderBook
    """The engine's book. Look at it only; orders go in as the agent's return value."""

    @property
    def fills(self) -> npt.NDArray[np.void]:
        """Events of kind TRADE in which the agent took part, as taker or as maker."""
        mine = (self.events["owner"] == AGENT_OWNER) | (self.events["maker_owner"] == AGENT_OWNER)
        return self.events[mine & (self.events["kind"] == EventKind.TRADE)]


Agent = Callable[[View], "Commands | None"]
"""Called after each batch of a market; what it returns (of COMMAND_DTYPE) goes in next."""


class Desk:
    """Hands an agent's commands to the engine of one market, after the time they take to arrive.

    ``by_id``: recorded orders queue by their ids (see ``commands_of``), so an agent's order gets
    the highest recorded id of the moment for its time: it goes behind all that are there, and
    ahead of all that come.
    """

    def __init__(self, agent: Agent, market: str, latency_ns: int, *, by_id: bool = False) -> None:
        self._agent = agent
        self._by_id = by_id
        self._highest_id = 0
        self._market = market
        self._latency_ns = latency_ns
        self._due: list[tuple[int, Commands]] = []
        self._heard = np.zeros(0, dtype=EVENT_DTYPE)

    def deliver(self, engine: Engine, market: int, first_ns: int) -> list[Step]:
        """Put in what has arrived by the time of the next record."""
        arrived = [commands for due_ns, commands in self._due if due_ns <= first_ns]
        self._due = [(due_ns, commands) for due_ns, commands in self._due if due_ns > first_ns]
        steps = []
        for commands in arrived:
            queued = commands
            if self._by_id:
                queued = commands.copy()
                joins = np.isin(commands["kind"], _JOINS)
                queued["timestamp_ns"][joins] = self._highest_id
            events, _ = engine.run(queued, np.zeros(0, dtype=np.int64), 1, singles=False)
            events["timestamp_ns"] = commands["timestamp_ns"][0]
            self._heard = np.concatenate([self._heard, events])
            places = np.full(len(commands), -1)
            steps.append(
                empty_step(market, 1)._replace(commands=commands, events=events, places=places)
            )
        return steps

    def ask(self, engine: Engine, step: Step, now_ns: int) -> None:
        """Show the agent what happened and take its orders."""
        if self._by_id:
            messages = step.messages
            ids = messages["order_id"][messages["action"] == Action.ADD]
            self._highest_id = max(self._highest_id, int(ids.max(initial=0)))
        events = np.concatenate([self._heard, step.events]) if len(self._heard) else step.events
        self._heard = np.zeros(0, dtype=EVENT_DTYPE)
        answer = self._agent(View(self._market, now_ns, step, events, engine.book))
        if answer is None:
            return
        if not isinstance(answer, np.ndarray) or answer.dtype != COMMAND_DTYPE or answer.ndim != 1:
            raise TypeError(
                "an agent returns None or an array of nextrade.COMMAND_DTYPE in one dimension"
            )
        if not len(answer):
            return
        if np.isin(answer["kind"], _OF_THE_MARKET).any():
            raise ValueError(
                "an agent may place, change and cancel its own orders; the state of the market"
                " is not its to set"
            )
        due_ns = now_ns + self._latency_ns
        commands = answer.copy()
        commands["owner"] = AGENT_OWNER
        commands["market"] = step.market
        commands["timestamp_ns"] = due_ns
        self._due.append((due_ns, commands))
