"""Who owns what: per account and asset an available part and a held part."""

from tests.oracle.codes import I64_MAX

MOST_FROM_OUTSIDE = 2**62
"""No asset comes in beyond this, so that no sum of balances can pass 64 bits."""


class LedgerObjects(Exception):
    """The ledger would not do this; ``args[0]`` names the package's error that says the same."""


class Accounts:
    """All balances, and the money that came in from outside or left again."""

    def __init__(self) -> None:
        self.available: dict[tuple[int, int], int] = {}
        self.held: dict[tuple[int, int], int] = {}
        self.outside: dict[int, int] = {}
        self.references: dict[str, tuple[str, tuple[int, ...]]] = {}
        """What each reference was given for, whether or not it could be done."""
        self.done: dict[str, str] = {}
        """How far each reference has come: credited, held, captured, refunded, transferred."""

    # Single steps, of which everything else is made

    def add_available(self, account: int, asset: int, amount: int) -> None:
        self.available[account, asset] = self.available.get((account, asset), 0) + amount

    def add_held(self, account: int, asset: int, amount: int) -> None:
        self.held[account, asset] = self.held.get((account, asset), 0) + amount

    def set_aside(self, account: int, asset: int, amount: int) -> bool:
        """Move from available to held, if there is enough."""
        if self.available.get((account, asset), 0) < amount:
            return False
        self.add_available(account, asset, -amount)
        self.add_held(account, asset, amount)
        return True

    def give_back(self, account: int, asset: int, amount: int) -> None:
        self.add_held(account, asset, -amount)
        self.add_available(account, asset, amount)

    # What happens outside of batches, once for each reference

    def is_new(self, reference: str, kind: str, *details: int) -> bool:
        """Whether this is still to be done. A reference means one thing for ever."""
        if not 0 < details[-1] <= I64_MAX:
            raise LedgerObjects("ValueError")
        if self.references.setdefault(reference, (kind, details)) != (kind, details):
            raise LedgerObjects("ReferenceReused")
        return reference not in self.done

    def credit(self, reference: str, account: int, asset: int, amount: int) -> bool:
        if not self.is_new(reference, "credit", account, asset, amount):
            return False
        if self.outside.get(asset, 0) + amount > MOST_FROM_OUTSIDE:
            raise LedgerObjects("AmountOverflow")
        self.done[reference] = "credited"
        self.outside[asset] = self.outside.get(asset, 0) + amount
        self.add_available(account, asset, amount)
        return True

    def hold(self, reference: str, account: int, asset: int, amount: int) -> bool:
        """Begin a withdrawal."""
        if not self.is_new(reference, "hold", account, asset, amount):
            return False
        if not self.set_aside(account, asset, amount):
            raise LedgerObjects("InsufficientFunds")
        self.done[reference] = "held"
        return True

    def capture(self, reference: str) -> bool:
        """End a withdrawal: the money has left."""
        return self.end(reference, "captured")

    def refund(self, reference: str) -> bool:
        """End a withdrawal: the money stays."""
        return self.end(reference, "refunded")

    def end(self, reference: str, how: str) -> bool:
        if self.done.get(reference) not in ("held", "captured", "refunded"):
            raise LedgerObjects("UnknownReference")
        if self.done[reference] == how:
            return False
        if self.done[reference] != "held":
            raise LedgerObjects("HoldFinished")
        self.done[reference] = how
        account, asset, amount = self.references[reference][1]
        if how == "captured":
            self.add_held(account, asset, -amount)
            self.outside[asset] -= amount
        else:
            self.give_back(account, asset, amount)
        return True

    def transfer(self, reference: str, giver: int, taker: int, asset: int, amount: int) -> bool:
        if giver == taker:
            raise LedgerObjects("ValueError")
        if not self.is_new(reference, "transfer", giver, taker, asset, amount):
            return False
        if self.available.get((giver, asset), 0) < amount:
            raise LedgerObjects("InsufficientFunds")
        self.done[reference] = "transferred"
        self.add_available(giver, asset, -amount)
        self.add_available(taker, asset, amount)
        return True

    # What can be seen

    def balances(self) -> dict[tuple[int, int], tuple[int, int]]:
        """(available, held) of every account and asset that has anything."""
        seen = {}
        for key in sorted(self.available.keys() | self.held.keys()):
            both = self.available.get(key, 0), self.held.get(key, 0)
            if both != (0, 0):
                seen[key] = both
        return seen

    def open_withdrawals(self) -> list[tuple[int, int, int]]:
        """(account, asset, amount) of each."""
        held = [name for name, state in self.done.items() if state == "held"]
        return [self.references[name][1] for name in held]
