"""The exchange for people: orders in words, amounts in decimal text, results to read."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ..._book import OrderBook
from ...domain.client_order_ids import checked_text
from ...domain.listings import Listing
from ...domain.units import DecimalText
from ...enums import CommandKind, OrderType, PostOnly, SelfTrade, Side, TimeInForce
from ...errors import DataError, ExchangeError
from ..ledger.memory import MemoryLedger
from .door import change_command, order_command
from .machine import Machine, check_own_reference
from .open_order import moment_text, open_order_plain
from .placed import Placed
from .records import TIER, plain


class Balance(NamedTuple):
    """What an account has of one asset, as exact decimal text."""

    available: str
    held: str


class Exchange(Machine):
    """Engine and ledger in one process, no server.

    >>> from nextrade import Exchange
    >>> exchange = Exchange()
    >>> exchange.deposit(1, "USDT", "1000"), exchange.deposit(2, "BTC", "1")
    (True, True)
    >>> exchange.place(1, "BTC-USDT", "buy", price="100", quantity="2").status
    'open'
    >>> exchange.place(2, "BTC-USDT", "sell", price="99", quantity="0.5").filled
    '0.5000'
    >>> exchange.balances(1)["BTC"].available
    '0.49950000'
    >>> exchange.verify().holds
    True

    Without ``listings`` it has those of the package's default settings. With a ``path`` it is
    durable: what was answered is in a journal on disk (``fsync`` for each call or batch), and
    opening the path again goes on from there; one process at a time. Market and limit rules are
    those of the listings, amounts are exact decimal text, accounts are numbers from 1 on.
    ``read_only`` takes no lock and changes nothing; ``check=False`` opens what contradicts itself,
    for ``verify`` to say where. ``clock`` gives nanoseconds for orders placed one by one; a
    clock that steps back stands still. A path keeps its listings itself once ``relist`` has
    changed them; it may still be opened with those that it was founded with. Raises ExchangeError
    if the listings given were never those of the path or its state contradicts itself,
    JournalLocked, JournalDamaged and JournalError from its files.
    """

    # --- money -----------------------------------------------------------------------------

    def deposit(
        self, account: int, asset: str, amount: DecimalText, reference: str | None = None
    ) -> bool:
        """Credit what came in from outside; False if the reference was credited before.

        Without a reference it is given one of its own. Raises UnitError for an unknown asset or
        an amount that is not exact, ReferenceReused, AmountOverflow, and ValueError for a
        reference in the form of those that are given here.
        """
        number = self.listings.asset(asset)
        units = self.listings.assets[number].base_units(amount)
        self._check_account(account)
        if reference is None:
            return self._money_once("deposit", "credit", account, number, units)
        check_own_reference(reference)
        return self._money("credit", reference, account, number, units)

    def hold_withdrawal(
        self, account: int, asset: str, amount: DecimalText, reference: str
    ) -> bool:
        """Set aside what is to leave; then ``capture`` or ``refund`` it by its reference."""
        number = self.listings.asset(asset)
        units = self.listings.assets[number].base_units(amount)
        self._check_account(account)
        check_own_reference(reference)
        return self._money("hold", reference, account, number, units)

    def capture(self, reference: str) -> bool:
        """What was held for a withdrawal has been paid out."""
        return self._money("capture", reference)

    def refund(self, reference: str) -> bool:
        """What was held for a withdrawal comes back."""
        return self._money("refund", reference)

    def transfer(
        self,
        from_account: int,
        to_account: int,
        asset: str,
        amount: DecimalText,
        reference: str | None = None,
    ) -> bool:
        """Move an amount between accounts, once per reference."""
        number = self.listings.asset(asset)
        units = self.listings.assets[number].base_units(amount)
        self._check_account(to_account)
        if reference is None:
            return self._money_once("transfer", "transfer", from_account, to_account, number, units)
        check_own_reference(reference)
        return self._money("transfer", reference, from_account, to_account, number, units)

    def set_tier(self, account: int, tier: int) -> None:
        """What this account's new orders pay from now on; open orders keep their fees."""
        self._check_account(account)
        most = max(len(listing.tiers) for listing in self.listings.listings)
        if not 0 <= tier < most:
            raise ExchangeError(f"there is no fee tier {tier}; there are 0 to {most - 1}")
        self._record(TIER, plain([account, tier]))
        self._core.tiers[account] = tier

    def balances(self, account: int) -> dict[str, Balance]:
        """What an account has, by asset; assets that it has nothing of are left out."""
        found = {}
        for row in self.ledger.balances(account):
            asset = self.listings.assets[int(row["asset"])]
            found[asset.name] = Balance(
                asset.text(int(row["available"])), asset.text(int(row["held"]))
            )
        return found

    def accounts(self) -> list[int]:
        """Every account that has anything, ascending; only of a ledger in memory."""
        if not isinstance(self.ledger, MemoryLedger):
            raise ExchangeError("only a ledger in memory can list its accounts")
        accounts: list[int] = np.unique(self.ledger.all_balances()["account"]).tolist()
        return accounts

    def inspect_account(self, account: int) -> dict[str, Any]:
        """Balances, open orders, client order ids and held withdrawals of an account, as plain
        values."""
        orders = self.open_orders()
        return {
            "account": account,
            "tier": self._core.tiers.get(account, 0),
            "balances": {
                name: balance._asdict() for name, balance in self.balances(account).items()
            },
            "orders": self._plain_orders(account, orders[orders["account"] == account]),
            "client_order_ids": self._client_order_ids(account),
            "withdrawals": [hold for hold in self._holds() if hold["account"] == account],
        }

    def inspect_order(self, order_id: int) -> dict[str, Any]:
        """An open order as plain values; empty if there is none of this id."""
        orders = self.open_orders()
        found = orders[orders["order_id"] == order_id][:1]
        return self._plain_orders(int(found[0]["account"]), found)[0] if len(found) else {}

    def inspect_hold(self, reference: str) -> dict[str, Any]:
        """A held withdrawal as plain values; empty if nothing is held under the reference."""
        return next((hold for hold in self._holds() if hold["reference"] == reference), {})

    def _holds(self) -> list[dict[str, Any]]:
        if not isinstance(self.ledger, MemoryLedger):
            return []
        assets = self.listings.assets
        return [
            {
                "reference": reference,
                "account": account,
                "asset": assets[asset].name,
                "amount": assets[asset].text(amount),
            }
            for reference, account, asset, amount in self.ledger.open_holds()
        ]

    def _client_order_ids(self, account: int) -> list[dict[str, Any]]:
        """The client order ids of an account that are taken, oldest first."""
        kept = self._core.kept_ids.of_account(account, self._now())
        return [
            {
                "client_order_id": text.decode(),
                "order": one.order_id,
                "market": self.listings.market_names[one.market],
                "partition": int(self._core.partition_of[one.market]),
                "at": moment_text(one.kept_ns),
            }
            for text, one in kept.items()
        ]

    def _plain_orders(self, account: int, rows: npt.NDArray[np.void]) -> list[dict[str, Any]]:
        """Open orders of an account as plain values, with the client order ids that they have."""
        kept = self._core.kept_ids.of_account(account, self._core.clock_ns)
        texts = {(one.market, one.order_id): text.decode() for text, one in kept.items()}
        plain_orders = []
        for row in rows:
            key = market, _ = int(row["market"]), int(row["order_id"])
            partition = self._core.partitions[int(self._core.partition_of[market])]
            order = open_order_plain(self.listings, partition, row)
            plain_orders.append(order | ({"client_order_id": texts[key]} if key in texts else {}))
        return plain_orders

    # --- orders ----------------------------------------------------------------------------

    def place(
        self,
        account: int,
        market: str,
        side: str | Side,
        *,
        quantity: DecimalText | None = None,
        price: DecimalText | None = None,
        amount: DecimalText | None = None,
        worst_price: DecimalText | None = None,
        trigger: DecimalText | None = None,
        order_type: OrderType | str | None = None,
        time_in_force: TimeInForce | str = TimeInForce.GTC,
        post_only: PostOnly | str = PostOnly.NO,
        self_trade: SelfTrade | str = SelfTrade.CANCEL_NEWEST,
        display: DecimalText | None = None,
        expire_ns: int = 0,
        client_order_id: str | bytes | None = None,
    ) -> Placed:
        """Send one order and say what became of it.

        With a ``price`` it is a limit order, without one a market order for a ``quantity`` or an
        ``amount`` of quote currency; ``order_type`` chooses another. A market order that names
        no ``worst_price`` gets one from the market's collar around the best opposite price. An
        order that is refused is answered with the reason, not raised.

        ``client_order_id`` is the account's own name for the order, 1 to 36 printable ASCII
        characters: sent again with the same one, it is refused with DUPLICATE_CLIENT_ORDER_ID
        while the first one is open and for 24 hours after it was sent. Raises UnitError for
        text that is not exact in the market's steps, DataError for an id that cannot be.
        """
        number = self.listings.market(market)
        listing = self.listings.listings[number]
        command = order_command(
            listing,
            self.book(market),
            side=side,
            quantity=quantity,
            price=price,
            amount=amount,
            worst_price=worst_price,
            trigger=trigger,
            order_type=order_type,
            time_in_force=time_in_force,
            post_only=post_only,
            self_trade=self_trade,
            display=display,
        )
        command["owner"], command["market"] = account, number
        command["order_id"] = self._core.highest_order_id + 1
        command["timestamp_ns"] = self._now()
        command["expire_ns"] = expire_ns
        ids = None if client_order_id is None else [checked_text(client_order_id)]
        done = self.submit(command, client_order_ids=ids)
        return Placed(done, listing.market, int(command["order_id"][0]))

    # Changes name their order by its id, or by ``client_order_id`` alone: then one that nobody
    # knows is refused with UNKNOWN_ORDER. DataError for both, for none, and for one that cannot be.

    def cancel(
        self,
        account: int,
        market: str,
        order_id: int | None = None,
        *,
        client_order_id: str | bytes | None = None,
    ) -> Placed:
        """Take an open order out."""
        command = change_command(self._listing(market), CommandKind.CANCEL)
        return self._change(account, market, command, order_id, client_order_id)

    def reduce(
        self,
        account: int,
        market: str,
        order_id: int | None = None,
        quantity: DecimalText | None = None,
        *,
        client_order_id: str | bytes | None = None,
    ) -> Placed:
        """Take a quantity off an open order, which keeps its place."""
        if quantity is None:
            raise ExchangeError("a reduction needs a quantity")
        command = change_command(self._listing(market), CommandKind.REDUCE, quantity=quantity)
        return self._change(account, market, command, order_id, client_order_id)

    def replace(
        self,
        account: int,
        market: str,
        order_id: int | None = None,
        *,
        price: DecimalText,
        quantity: DecimalText,
        client_order_id: str | bytes | None = None,
    ) -> Placed:
        """Give an open order another price and quantity left; a smaller one keeps its place."""
        book = self.book(market)
        found = self._order_meant(account, order_id, client_order_id)
        command = change_command(
            self._listing(market),
            CommandKind.REPLACE,
            side=Side(int(book.order(found)["side"])) if found in book else None,
            price=price,
            quantity=quantity,
        )
        return self._change(account, market, command, order_id, client_order_id)

    def _listing(self, market: str) -> Listing:
        return self.listings.listings[self.listings.market(market)]

    def _change(
        self,
        account: int,
        market: str,
        command: npt.NDArray[np.void],
        order_id: int | None,
        client_order_id: str | bytes | None,
    ) -> Placed:
        found = self._order_meant(account, order_id, client_order_id)
        command["owner"], command["market"] = account, self.listings.market(market)
        command["order_id"], command["timestamp_ns"] = found, self._now()
        # One that nobody knows is to be refused for that and nothing else.
        unknown = client_order_id is not None and not found
        ids = [client_order_id] if unknown else None
        done = self.submit(command, client_order_ids=ids)
        return Placed(done, self._listing(market).market, found)

    def _order_meant(
        self, account: int, order_id: int | None, client_order_id: str | bytes | None
    ) -> int:
        """The id of the order that a change names, 0 if nobody knows its client order id."""
        if (order_id is None) == (client_order_id is None):
            raise DataError("name the order by an order id or by a client order id")
        if client_order_id is not None:
            return self.client_order(account, client_order_id)
        assert order_id is not None
        return order_id

    # --- looking ---------------------------------------------------------------------------

    def book(self, market: str) -> OrderBook:
        """The book of a market. Look at it only."""
        number = self.listings.market(market)
        return self._core.partitions[int(self._core.partition_of[number])].book(number)

    def _check_account(self, account: int) -> None:
        if isinstance(account, bool) or not isinstance(account, int) or not 1 <= account < 2**32:
            raise ExchangeError(f"an account is a number from 1 to {2**32 - 1:,}, not {account!r}")
