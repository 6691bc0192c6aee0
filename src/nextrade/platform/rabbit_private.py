"""How to reach the private RabbitMQ of a stack: what its folder says, read without any client.

folder/rabbit/rabbitmq.conf   its port; written at each start
folder/rabbit/password        of the one user that it has, readable by its owner alone
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ..errors import StackError

__all__ = ["PRIVATE_NAME", "USERNAME", "PrivateBroker"]

PRIVATE_NAME: Final = "rabbit"
"""The folder of the private broker in that of the stack."""

USERNAME: Final = "nextrade"
HOST: Final = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class PrivateBroker:
    """The folder of a private broker. Raises StackError if it was never started."""

    home: Path

    @property
    def port(self) -> int | None:
        """Where it listens, now or the last time; None if it was never started."""
        try:
            text = (self.home / "rabbitmq.conf").read_text(encoding="utf-8", errors="replace")
        except OSError:
            return None
        found = re.search(r"^listeners\.tcp\.1 = \S+:([0-9]{1,5})$", text, re.MULTILINE)
        return int(found[1]) if found else None

    @property
    def address(self) -> str:
        """Where clients reach it."""
        if (port := self.port) is None:
            raise StackError(f"{self.home}: never started; nextrade stack up starts it")
        return f"{HOST}:{port}"

    @property
    def password(self) -> str:
        """The password of its user."""
        try:
            return (self.home / "password").read_text(encoding="ascii").strip()
        except OSError as error:
            raise StackError(
                f"{self.home / 'password'}: {error.strerror or error}; nextrade stack up makes it"
            ) from error
