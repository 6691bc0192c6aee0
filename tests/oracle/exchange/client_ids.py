"""Which order of an account has which name of its own: one at a time, for a day and while open."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from tests.oracle.codes import CommandKind, Reason
from tests.oracle.records import Command

from .codes import NO_REFUSAL, Refusal

if TYPE_CHECKING:
    from .exchange import Exchange

DAY_NS = 24 * 60 * 60 * 10**9
MOST = 1_000_000

Text = bytes | None


class Named(NamedTuple):
    """An order and the moment since when it has its name."""

    market: int
    order_id: int
    since_ns: int


class ClientIds:
    """Nothing is ever taken out: whether a name is free is asked anew each time."""

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange
        self.orders: dict[tuple[int, bytes], Named] = {}
        self.most = MOST

    def is_taken(self, key: tuple[int, bytes], now_ns: int) -> bool:
        """Whether a name belongs to an order of the last day, or to one that is open."""
        if key not in self.orders:
            return False
        market, order_id, since_ns = self.orders[key]
        is_open = self.exchange.books[market].book.find(order_id) is not None
        return is_open or now_ns - since_ns < DAY_NS

    def taken(self, now_ns: int) -> dict[tuple[int, bytes], Named]:
        """All names that are not free."""
        return {key: named for key, named in self.orders.items() if self.is_taken(key, now_ns)}

    def now(self, commands: Sequence[Command], texts: Sequence[Text]) -> int:
        """The time at which names are judged."""
        return max(
            self.exchange.clock_ns,
            *(command.timestamp_ns for command, text in zip(commands, texts, strict=True) if text),
            -(2**63),
        )

    def resolved(
        self, commands: Sequence[Command], texts: Sequence[Text]
    ) -> tuple[list[Command], list[Text]]:
        """Changes that name their order get its id and lose the name; 0 if there is no order."""
        now_ns = self.now(commands, texts)
        placed = {
            (command.owner, text): command.order_id
            for command, text in zip(commands, texts, strict=True)
            if text and command.kind == CommandKind.PLACE
        }
        done: list[Command] = []
        left: list[Text] = []
        for command, text in zip(commands, texts, strict=True):
            if not text or command.kind == CommandKind.PLACE:
                done.append(command)
                left.append(text)
                continue
            key = command.owner, text
            taken = self.is_taken(key, now_ns)
            order_id = self.orders[key].order_id if taken else placed.get(key, 0)
            done.append(command._replace(order_id=order_id))
            left.append(None if order_id else text)
        return done, left

    def refusal(
        self, command: Command, text: Text, now_ns: int, new: dict[tuple[int, bytes], Named]
    ) -> int:
        """Why a command that may ask for money may not for its name; ``new`` are of its batch."""
        if not text:
            return NO_REFUSAL
        if command.kind != CommandKind.PLACE:
            return Reason.UNKNOWN_ORDER
        key = command.owner, text
        if key in new or self.is_taken(key, now_ns):
            return Refusal.DUPLICATE_CLIENT_ORDER_ID
        if len(self.taken(now_ns).keys() | new.keys()) >= self.most:
            return Refusal.TOO_MANY_CLIENT_ORDER_IDS
        return NO_REFUSAL
