"""A schedule written out by hand: the same world as a random one, without dice.

Workers go on when they are told to, up to a named point of their ports (ports.py): ``"commit"``
is the moment before a commit takes effect, ``"commit done"`` the one after it, before the worker
knows.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from nextrade import COMMAND_DTYPE, CommandKind, Side
from nextrade.domain.buckets import bucket_of_account
from nextrade.domain.protocol.frames import commands_frame, identity_of
from nextrade.domain.protocol.limits import Limits
from nextrade.domain.protocol.worker import Worker

from .checks import check, heard
from .play import BUCKETS, Play, Process
from .servers import Queued

Order = tuple[int, Side, int, int]
"""Account, side, quantity and price."""


class Stage(Play):
    """Workers and servers; the first worker of ``processes`` is the active one."""

    def __init__(
        self, broken: str = "", make: Callable[..., Worker] = Worker, **limits: Any
    ) -> None:
        super().__init__(0, broken, make)
        self.limits = Limits(**{"frames": 8, **limits})
        self.world.faults = False
        self.world.by_hand = True
        self.world.knocks = True
        self._last_id = 0
        self.processes.clear()
        self.start()
        self.start()

    def start(self) -> Process:
        """Another worker process."""
        self._start()
        return self.processes[-1]

    # --- gateways ------------------------------------------------------------------------------

    def send(self, *orders: Order | int, later_ms: int = 0) -> bytes:
        """A gateway sends one frame; a number is a mass cancel of that account."""
        self.world.now_ns += 5_000_000
        commands = np.zeros(len(orders), COMMAND_DTYPE)
        for place, order in enumerate(orders):
            command = commands[place]
            if isinstance(order, int):
                command["kind"], command["owner"] = CommandKind.MASS_CANCEL, order
                command["side"] = 2
                continue
            command["kind"] = CommandKind.PLACE
            command["order_id"] = self._ids[0].one()
            command["owner"], command["side"] = order[:2]
            command["qty_lots"], command["price_ticks"] = order[2:]
        identity = self._ids[0].one() + (later_ms << 21)
        message = commands_frame(0, identity, commands)
        self.put(message)
        return message

    def put(self, message: bytes) -> None:
        """A message comes to the queue."""
        self.world.broker.queue.append(Queued(message))
        self.published.setdefault(identity_of(message), [])
        if message not in self.published[identity_of(message)]:
            self.published[identity_of(message)].append(message)

    # --- workers -------------------------------------------------------------------------------

    def until(self, process: Process, place: str, times: int = 1) -> None:
        """Let a worker go on until it comes to a point for so many times."""
        for _ in range(10_000):
            process.task.switch()
            if process.task.dead:
                self._bury(process)
                raise AssertionError(f"the worker died before it came to {place!r}")
            if self.world.places[process.task] == place:
                times -= 1
                if not times:
                    return
        raise AssertionError(f"the worker never comes to {place!r}")

    def quiet(self, process: Process) -> None:
        """Let a worker go on until nothing is left to do."""
        for _ in range(10_000):
            self.until(process, "take")
            if self.at_rest():
                self.until(process, "take", 3)
                return
        raise AssertionError("the worker does not come to rest")

    def crash(self, process: Process) -> None:
        """Kill -9; nobody takes its place by himself."""
        task, bus = process.task, process.bus
        self.processes.remove(process)
        task.throw()
        if bus.channel is not None:
            self.world.broker.close(bus.channel)

    def end(self) -> None:
        """The active worker comes to rest; then everything must be as it should."""
        self.quiet(self.processes[0])
        check(self)

    def close(self) -> None:
        """Let go of the processes that are still there."""
        for process in self.processes:
            process.task.throw()

    # --- what is there -------------------------------------------------------------------------

    def bucket(self, account: int) -> Any:
        """The bucket of an account."""
        return self.world.buckets[bucket_of_account(account, BUCKETS)]

    def held(self, account: int) -> int:
        """What an account has held, of both assets."""
        balances = self.bucket(account).balances
        return sum(balances[account, asset][1] for asset in range(2))

    def verdicts(self) -> dict[int, list[int]]:
        """By frame id: what was decided of it, in order."""
        found: dict[int, list[int]] = {}
        for message in heard(self):
            for identity, _, _, verdict, _ in message.frames.tolist():
                found.setdefault(identity, []).append(verdict)
        return found
