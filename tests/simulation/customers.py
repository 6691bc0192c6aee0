"""Customers who give their orders client order ids, and ask again when they heard nothing."""

import random
from collections.abc import Callable

import numpy as np

from nextrade import CommandKind
from nextrade.domain.protocol.frames import NAME_DTYPE, commands_frame, named_frame


class Customers:
    """Make frames of commands; ``new_order`` gives order ids."""

    def __init__(self, dice: random.Random, new_order: Callable[[], int]) -> None:
        self._dice, self._new_order = dice, new_order
        self._sent: list[tuple[np.ndarray, np.ndarray]] = []
        """Commands and names of frames that may be asked for once more."""

    def frame(self, identity: int, commands: np.ndarray, version: int) -> bytes:
        """A frame of these commands, some with client order ids; or of what was asked before."""
        dice = self._dice
        if self._sent and dice.random() < 0.15:
            # Its customer heard nothing, and asks again through whichever gateway.
            commands, names = dice.choice(self._sent)
            commands = commands.copy()
            for row in np.flatnonzero(commands["kind"] == CommandKind.PLACE).tolist():
                commands["order_id"][row] = self._new_order()
            return named_frame(0, identity, commands, names, version)
        rows = np.flatnonzero(commands["kind"] == CommandKind.PLACE)
        names = np.array(
            [(row, b"%d" % dice.randrange(40)) for row in rows.tolist() if dice.random() < 0.6],
            NAME_DTYPE,
        )
        if not len(names) or dice.random() < 0.4:
            return commands_frame(0, identity, commands, version)
        self._sent = [*self._sent[-5:], (commands, names)]
        return named_frame(0, identity, commands, names, version)
