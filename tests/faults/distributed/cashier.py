"""Money that comes, goes and moves past the workers, while everything else happens."""

import random
import threading
import time
from collections import Counter
from contextlib import ExitStack, closing

from nextrade.errors import InsufficientFunds, LedgerUnavailable
from nextrade.service.home.opening import open_ledger
from nextrade.service.ledger.redis.ledger import RedisLedger

from .harness import ACCOUNTS, ASSETS, Exchange, Fault

_PAUSE_S = 0.05


class Cashier:
    """Deposits, withdrawals and transfers on a thread of its own, each until it is answered."""

    def __init__(self, exchange: Exchange, name: str) -> None:
        self._exchange = exchange
        self._name = name
        self._dice = random.Random(exchange.dice.randrange(1 << 30))
        self._stop = threading.Event()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run)
        self.changes = 0
        """How many were made; each leaves one record or more in the stream of the ledger."""

    def __enter__(self) -> "Cashier":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        try:
            with ExitStack() as stack:
                ledger = stack.enter_context(closing(self._ledger()))
                number = 0
                while not self._stop.wait(self._dice.uniform(0.005, 0.05)):
                    number += 1
                    self._one(ledger, f"{self._name} {number}")
        except BaseException as error:  # noqa: BLE001 - told to whoever waits
            self._error = error

    def _ledger(self) -> RedisLedger:
        while True:
            try:
                return open_ledger(self._exchange.settings)
            except LedgerUnavailable:
                time.sleep(_PAUSE_S)

    def _one(self, ledger: RedisLedger, reference: str) -> None:
        dice = self._dice
        account, asset, amount = dice.randint(1, ACCOUNTS), dice.randrange(ASSETS), 1000
        kind = dice.choice(("credit", "transfer", "capture", "refund"))
        if kind == "credit":
            if self._until_answered(ledger, kind, reference, account, asset, amount):
                self._exchange.given[asset] += amount
        elif kind == "transfer":
            other = account % ACCOUNTS + 1
            self._until_answered(ledger, kind, reference, account, other, asset, amount)
        elif self._until_answered(ledger, "hold", reference, account, asset, amount):
            self._until_answered(ledger, kind, reference)
            if kind == "capture":
                self._exchange.given[asset] -= amount

    def _until_answered(self, ledger: RedisLedger, call: str, *arguments: object) -> bool:
        """Repeat a call, the very same, until the servers say what came of it."""
        while True:
            try:
                getattr(ledger, call)(*arguments)
            except InsufficientFunds:
                return False
            except LedgerUnavailable:
                time.sleep(_PAUSE_S)
            else:
                self.changes += 1
                return True


def check_money(exchange: Exchange) -> None:
    """Raise Fault unless there is as much of each asset as was given, whoever has it."""
    with closing(open_ledger(exchange.settings)) as ledger:
        there: Counter[int] = Counter()
        for row in ledger.totals():
            there[int(row["asset"])] = int(row["available"]) + int(row["held"])
            if row["in_flight"]:
                raise Fault(f"{row['in_flight']} of asset {row['asset']} are in flight")
    if there != exchange.given:
        raise Fault(f"there is {dict(there)}, and was given {dict(exchange.given)}")
