"""How many replicas must have a change before it counts as done.

Behind the calls to a server goes, on the same connection, a harmless write and then WAIT. The
write is there for calls that are repeated and find their work done: WAIT covers what its own
connection wrote, and on a new connection, with a server that counts it so, that is nothing. The
stream to replicas has one order, so whoever has the write has everything before it.
"""

from dataclasses import dataclass

from .link import packed

__all__ = ["ALONE", "Replication"]

_WRITERS = (b"$5\r\nFCALL\r\n", b"$6\r\nHSETNX\r\n", b"$4\r\nHSET\r\n", b"$4\r\nHDEL\r\n")


@dataclass(frozen=True, slots=True)
class Replication:
    """``replicas`` of each server must have a change, and are waited for ``timeout_ms``."""

    replicas: int = 0
    timeout_ms: int = 1000

    def __post_init__(self) -> None:
        """Refuse what WAIT would take for something else: to it, 0 ms is for ever."""
        if self.replicas < 0 or self.timeout_ms < 1:
            raise ValueError(f"replicas count from 0 and are waited for 1 ms at least: {self}")

    def behind(self, commands: list[bytes], key: bytes) -> list[bytes]:
        """Return what is sent behind commands to one server; none if they change nothing.

        ``key``: of one of them, so that in a cluster the write belongs to the same server.
        """
        writes = any(writer in command[:24] for command in commands for writer in _WRITERS)
        if not self.replicas or not writes:
            return []
        return [
            packed(b"SET", key + b":wait", b""),
            packed(b"WAIT", self.replicas, self.timeout_ms),
        ]

    def lacking(self, answers: list[object]) -> str:
        """Why replies to ``behind`` mean that too few replicas have it; empty if they suffice."""
        written, had = answers
        if written != b"OK" or not isinstance(had, int):
            return f"{written!s} {had!s}"
        if had < self.replicas:
            return f"{had} of {self.replicas} replicas had the change within {self.timeout_ms} ms"
        return ""


ALONE = Replication()
"""For servers that need no replica."""
