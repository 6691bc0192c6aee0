"""Tables that say what each command asks to have held, what it posts, and what is held then.

A table is text, a row for each command::

    command              | asks     | postings                       | holds
    1 sell #1 5 @ 101    | 500 BTC  |                                | #1 500 BTC
    2 buy #2 3 @ 103     | 927 USDT | 1 BTC 0 -300; 2 USDT +18 -927  | #1 200 BTC

``command`` begins with the account; a kind of order other than LIMIT stands by its name.
``asks`` is an amount, or the name of a refusal. A posting is account, asset, change of
available, change of held. What is held is listed for every open order. A cell may go on in the
next row if that row names no command.

Every table is run three times: command by command, as written; as one batch; and as one batch
whose outcome is cut into slices of one event each. All must post the same in all, tell the same
events and end in the same state.
"""

from collections import defaultdict
from dataclasses import dataclass

import numpy as np

from nextrade import (
    COMMAND_DTYPE,
    CommandKind,
    OrderType,
    PostOnly,
    Reason,
    SelfTrade,
    Side,
    TimeInForce,
    TradingState,
)
from nextrade.domain.assets import Asset
from nextrade.domain.listings import Fees, Listing, Listings
from nextrade.domain.markets import Market
from nextrade.domain.partition import Outcome, Partition
from nextrade.domain.refusals import Refusal

BTC, USDT, ETH = Asset("BTC", 0), Asset("USDT", 0), Asset("ETH", 0)
LOT, TICK_LOT = 100, 3
"""A lot is a hundred base units, and one tick on one lot three quote units."""

FEES = (Fees(maker=10_000, taker=20_000), Fees(maker=0, taker=5_000))
"""One percent to make, two to take; and a second tier."""


def listed(base: Asset, quote: Asset, **more: object) -> Listing:
    """A market with the lots and ticks above."""
    market = Market(f"{base.name}-{quote.name}", base, quote, "0.03", "100")
    return Listing(market, **{"tiers": FEES} | more)  # type: ignore[arg-type]


def one_market(**more: object) -> Listings:
    """BTC-USDT alone."""
    return Listings((BTC, USDT), (listed(BTC, USDT, **more),))


def three_markets() -> Listings:
    """BTC-USDT, ETH-USDT and ETH-BTC in one partition, so that each asset is in two of them."""
    pairs = ((BTC, USDT), (ETH, USDT), (ETH, BTC))
    return Listings((BTC, USDT, ETH), tuple(listed(*pair) for pair in pairs))


CODES = {
    "tif": ("time_in_force", TimeInForce),
    "post": ("post_only", PostOnly),
    "own": ("self_trade", SelfTrade),
    "then": ("state", TradingState),
}
NUMBERS = {
    "show": "display_lots",
    "trigger": "trigger_ticks",
    "amount": "quote_amount",
    "expires": "expire_ns",
    "time": "timestamp_ns",
    "market": "market",
}


def command(text: str) -> tuple[np.void, int]:
    """A command of a table, and the tier of who gave it."""
    words = text.split()
    made = np.zeros(1, COMMAND_DTYPE)[0]
    made["owner"], verb = int(words[0]), words[1]
    tier = 0
    kinds = {"buy": "PLACE", "sell": "PLACE"}
    made["kind"] = CommandKind[kinds.get(verb, verb.upper())]
    numbers = []
    for word, before in zip(words[1:], ["", *words[1:]], strict=False):
        name, _, value = word.partition("=")
        if word in ("buy", "sell"):
            made["side"] = Side[word.upper()]
        elif word.upper() in OrderType.__members__:
            made["order_type"] = OrderType[word.upper()]
        elif word.startswith("#"):
            made["order_id"] = int(word[1:])
        elif before == "@":
            made["price_ticks"] = int(word)
        elif name in CODES:
            field, codes = CODES[name]
            made[field] = codes[value.upper()]
        elif name in NUMBERS:
            made[NUMBERS[name]] = int(value)
        elif name == "tier":
            tier = int(value)
        elif word.lstrip("-").isdigit():
            numbers.append(int(word))
        else:
            assert word in ("@", verb), f"{word!r} in {text!r}"
    assert len(numbers) <= 1, text
    made["qty_lots"] = sum(numbers)
    return made, tier


def commands(*texts: str) -> np.ndarray:
    """Several commands as one batch."""
    return np.array([command(text)[0] for text in texts], COMMAND_DTYPE)


@dataclass
class Row:
    """A command and what must come of it."""

    command: str
    asks: str
    postings: str
    holds: str


def rows_of(table: str) -> list[Row]:
    """Cut a table into rows; its first line names the columns."""
    lines = [line for line in table.strip().splitlines() if line.strip()][1:]
    rows: list[Row] = []
    for line in lines:
        cells = [cell.strip() for cell in line.split("|")]
        assert len(cells) == 4, line
        if cells[0]:
            rows.append(Row(*cells))
        else:
            for name, cell in zip(Row.__annotations__, cells, strict=True):
                setattr(rows[-1], name, f"{getattr(rows[-1], name)} {cell}".strip())
    return rows


def reason_name(code: int) -> str:
    """Name of a refusal, of whichever kind."""
    return Refusal(code).name if code >= Refusal.UNKNOWN_MARKET else Reason(code).name


def joined(slices: list[Outcome]) -> Outcome:
    """All slices of a batch as one outcome, its events in order; postings are not netted."""
    if len(slices) == 1:
        return slices[0]
    whole = Outcome(*(np.concatenate(parts) for parts in zip(*slices, strict=True)))
    for market in np.unique(whole.markets):
        of_market = whole.events["command"][whole.markets == market].astype(np.int64)
        assert np.all(np.diff(of_market) >= 0)
    order = np.argsort(whole.events["command"], kind="stable")
    return whole._replace(events=whole.events[order], markets=whole.markets[order])


class Desk:
    """A partition, and what has been posted so far."""

    def __init__(
        self,
        listings: Listings,
        *,
        broke: frozenset[int] = frozenset(),
        restart: bool = False,
        **limits: int,
    ) -> None:
        self.listings = listings
        self.broke = broke
        """Accounts that get nothing granted."""
        self.restart = restart
        """Whether the partition is written down and read again after every slice."""
        self.limits = limits
        self.slices = 0
        """How many outcomes and slices of outcomes were posted."""
        self.partition = Partition(listings, 0, **limits)
        self.held: dict[tuple[int, int], int] = defaultdict(int)
        self.available: dict[tuple[int, int], int] = defaultdict(int)

    def run(self, batch: np.ndarray, tiers: list[int] | None = None) -> Outcome:
        """Reserve, process, post; whatever must be true after a batch is looked at."""
        asked = self.partition.reservations(batch)
        granted = asked.amount.copy()
        granted[np.isin(batch["owner"], list(self.broke)) & (granted > 0)] = -1
        for account, asset, amount in zip(asked.account, asked.asset, granted, strict=True):
            if amount > 0:
                self.held[int(account), int(asset)] += int(amount)
                self.available[int(account), int(asset)] -= int(amount)
        given = np.array(tiers if tiers is not None else [0] * len(batch), np.uint8)
        slices = [self.posted(self.partition.process(batch, given, granted))]
        while self.partition.pending:
            slices.append(self.posted(self.partition.proceed()))
        self.partition.check_invariants()
        return joined(slices)

    def posted(self, outcome: Outcome) -> Outcome:
        """Post a slice, and look at whatever must be true after it."""
        self.slices += 1
        for account, asset, available, held in outcome.postings.tolist():
            self.available[account, asset] += available
            self.held[account, asset] += held
        if self.restart:
            before = self.partition.state_hash()
            snapshot = self.partition.snapshot()
            self.partition = Partition.restore(self.listings, 0, snapshot, **self.limits)
            assert self.partition.state_hash() == before
            assert self.partition.snapshot() == snapshot
        self.check(outcome)
        return outcome

    def check(self, outcome: Outcome) -> None:
        """Postings are in order and add up; held is the sum of holds; nothing held is negative."""
        rows = outcome.postings.tolist()
        keys = [row[:2] for row in rows]
        assert keys == sorted(set(keys))
        assert all(row[2] >= 0 >= row[3] and row[2:] != (0, 0) for row in rows)
        for asset in {row[1] for row in rows}:
            assert sum(row[2] + row[3] for row in rows if row[1] == asset) == 0
        holds: dict[tuple[int, int], int] = defaultdict(int)
        for order in self.partition.open_orders():
            assert order["held"] >= 0
            holds[int(order["account"]), int(order["asset"])] += int(order["held"])
        for account, asset, _, held in self.partition.pending_postings().tolist():
            holds[account, asset] -= held
        assert {key: held for key, held in self.held.items() if held} == {
            key: held for key, held in holds.items() if held
        }
        totals = self.partition.held_totals() + self.partition.pending_held()
        for asset, total in enumerate(totals.tolist()):
            assert total == sum(held for (_, of), held in self.held.items() if of == asset)
        assert np.all(np.diff(outcome.events["command"].astype(np.int64)) >= 0)
        assert len(outcome.markets) == len(outcome.events)
        # At most four postings come with the last event, and fees of each asset on top.
        assert len(outcome.events) <= self.partition.event_limit
        own = sum(row[0] != 0 for row in rows)
        assert own < self.partition.posting_limit + 4

    def asks(self, batch: np.ndarray) -> str:
        """What a single command asks for, as a table says it."""
        asked = self.partition.reservations(batch)
        if asked.refusal[0]:
            assert (asked.account[0], asked.asset[0], asked.amount[0]) == (0, 0, 0)
            return reason_name(int(asked.refusal[0]))
        if not asked.amount[0]:
            return ""
        assert asked.account[0] == batch["owner"][0]
        return f"{asked.amount[0]} {self.listings.asset_names[asked.asset[0]]}"

    def postings(self, outcome: Outcome) -> list[str]:
        """Postings as a table says them."""
        return [
            f"{account} {self.listings.asset_names[asset]} {available:+d} {held:+d}"
            for account, asset, available, held in outcome.postings.tolist()
        ]

    def holds(self) -> str:
        """Open orders as a table says them."""
        orders = self.partition.open_orders()
        orders = orders[np.argsort(orders["order_id"], kind="stable")]
        return ", ".join(
            f"#{order['order_id']} {order['held']} {self.listings.asset_names[order['asset']]}"
            for order in orders
        )


def numbered(text: str) -> list[str]:
    """Postings of a table's cell, numbers with their signs."""
    found = []
    for part in filter(None, (part.strip() for part in text.split(";"))):
        account, asset, available, held = part.split()
        found.append(f"{account} {asset} {int(available):+d} {int(held):+d}")
    return found


def check_table(
    listings: Listings, table: str, *, broke: frozenset[int] = frozenset()
) -> list[Outcome]:
    """Hold a partition against a table; returns what each command gave."""
    desk = Desk(listings, broke=broke)
    whole = Desk(listings, broke=broke)
    sliced = Desk(listings, broke=broke, restart=True, event_limit=1)
    rows = rows_of(table)
    outcomes = []
    for row in rows:
        made, tier = command(row.command)
        batch = np.array([made], COMMAND_DTYPE)
        assert desk.asks(batch) == row.asks, row.command
        outcome = desk.run(batch, [tier])
        assert desk.postings(outcome) == numbered(row.postings), row.command
        assert desk.holds() == row.holds, row.command
        outcomes.append(outcome)
    batch = commands(*(row.command for row in rows))
    tiers = [command(row.command)[1] for row in rows]
    together, cut = whole.run(batch, tiers), sliced.run(batch, tiers)
    for other in (whole, sliced):
        assert other.available == desk.available
        assert {key: held for key, held in other.held.items() if held} == {
            key: held for key, held in desk.held.items() if held
        }
        assert other.partition.state_hash() == desk.partition.state_hash()
    for position, outcome in enumerate(outcomes):
        outcome.events["command"] = position
    parts = [outcome.events for outcome in outcomes]
    for other in (together, cut):
        assert other.events.tobytes() == np.concatenate(parts).tobytes()
        assert other.markets.tolist() == [int(m) for one in outcomes for m in one.markets]
    return outcomes


def refusals(outcome: Outcome) -> list[str]:
    """Names of what was refused, in order."""
    return [reason_name(int(code)) for code in outcome.events["reason"] if code >= 32]
