"""Scenario files about money: how they are read, and how balances are drawn.

A file holds scenarios. Each has a title, which states the behaviour, and steps::

    == What is not needed comes back
    markets
        BTC-USDT lot 1 tick 1 fees 1000/2000 0/0
    given
        deposit A 5 BTC
        deposit B 1000 USDT
        sell 1A 5 @ 99
    when
        buy 2B 5 @ 101 tier=1
    then
        accepted 2B buy 5 @ 101 left 5
        ...
    balances
        |      | BTC | USDT |
        | A    |     | 495  |
        | B    | 5   | 505  |
        | fees |     |      |
    holds

``markets`` says what a lot is worth in units of the base asset and one tick on one lot in units
of the quote asset, the fees of each tier (maker/taker, in millionths) and limits; without it
there is one BTC-USDT of units without fees. Commands are worded as in the scenarios of the
book, with ``market=1`` and ``tier=1`` where they are not 0. Money is moved by ``deposit``,
``withdraw w A 5 BTC`` and ``capture w`` or ``refund w``, ``transfer A B 5 BTC``; a deposit with
``as name`` has a reference of its own. ``batch`` runs its commands together, ``when`` and
``given`` one after the other. ``3+2`` in a table is 3 available and 2 held.

``then`` lists all events and refusals since the last ``then``; what no ``then`` mentions must not
contain a refusal. ``holds`` lists the open orders with what they hold.
"""

from tests.model.exchange_settings import ASSETS, MARKETS
from tests.model.exchange_streams import Batch, Money
from tests.oracle.codes import names
from tests.oracle.exchange.codes import EXCHANGE, Refusal
from tests.oracle.exchange.exchange import MarketEvent, OpenHold
from tests.oracle.exchange.listing import Fees, Listing
from tests.scenario.wording import (
    SIDE_NAMES,
    number,
    number_text,
    owner_number,
    owner_text,
    read_command,
    write_event,
)

STEPS = ("markets", "given", "when", "batch", "then", "balances", "holds")
REFUSAL_NAMES = names(Refusal)
LIMITS = {
    "lot": "base_units_per_lot",
    "tick": "quote_units_per_tick_lot",
    "min-qty": "min_qty",
    "max-qty": "max_qty",
    "min-notional": "min_notional",
    "max-notional": "max_notional",
}
MONEY = ("deposit", "withdraw", "capture", "refund", "transfer")


def read_markets(lines: list[str]) -> tuple[tuple[Listing, ...], tuple[str, ...]]:
    """The listings and names of a ``markets`` step."""
    listings, market_names = [], []
    for line in lines:
        name, *words = line.split()
        fields: dict[str, int] = {}
        tiers = []
        while words:
            word = words.pop(0)
            if word == "fees":
                while words and "/" in words[0]:
                    tiers.append(Fees(*(int(rate) for rate in words.pop(0).split("/"))))
            else:
                fields[LIMITS[word]] = number(words.pop(0))
        base, quote = (ASSETS.index(asset) for asset in name.split("-"))
        listings.append(Listing(base, quote, tiers=tuple(tiers) or (Fees(0, 0),), **fields))
        market_names.append(name)
    return tuple(listings), tuple(market_names)


NO_MARKETS = (Listing(ASSETS.index("BTC"), ASSETS.index("USDT")),), MARKETS[:1]


def read_batch(lines: list[str]) -> Batch:
    """Commands that run together, as one frame."""
    commands, tiers = [], []
    for line in lines:
        words = line.split()
        tier = [int(word[5:]) for word in words if word.startswith("tier=")]
        rest = [word for word in words if not word.startswith("tier=")]
        commands.append(read_command(" ".join(rest)))
        tiers.append(tier[0] if tier else 0)
    return Batch(0, tuple(commands), tuple(tiers), (len(commands),))


def is_money(line: str) -> bool:
    """Whether a line is a call of the ledger and no command of a market."""
    return line.split()[0] in MONEY


def read_money(line: str, position: str) -> Money:
    """One line about money; ``position`` is the reference of what has none of its own."""
    verb, *words = line.split()
    if verb in ("capture", "refund"):
        return Money(verb, (words[0],))
    reference = words.pop(0) if verb == "withdraw" else position
    if "as" in words:
        *words, _, reference = words
    *accounts, amount, asset = words
    who = [owner_number(account) for account in accounts]
    call = {"deposit": "credit", "withdraw": "hold", "transfer": "transfer"}[verb]
    return Money(call, (reference, *who, ASSETS.index(asset), number(amount)))


def write_money(answer: bool | str) -> list[str]:
    """What the ledger answered, if it is worth a word."""
    if answer is True:
        return []
    return [f"refused {answer}" if answer else "done before"]


def write_market_event(happened: MarketEvent) -> str:
    """One event as a line, with the market if it is not the first."""
    event = happened.event
    words = [write_event(event._replace(reason=0) if event.reason in REFUSAL_NAMES else event)]
    words += [REFUSAL_NAMES[event.reason]] if event.reason in REFUSAL_NAMES else []
    words += [f"in {happened.market}"] if happened.market else []
    return " ".join(words)


def draw_balances(
    balances: dict[tuple[int, int], tuple[int, int]], listings: tuple[Listing, ...]
) -> list[str]:
    """A row for each account that has anything, a column for each asset that is traded."""
    assets = sorted({asset for one in listings for asset in (one.base, one.quote)})
    lines = ["| | " + " | ".join(ASSETS[asset] for asset in assets) + " |"]
    accounts = sorted({account for account, _ in balances}, key=lambda who: (who == EXCHANGE, who))
    for account in accounts:
        cells = ["fees" if account == EXCHANGE else owner_text(account)]
        cells += [draw_balance(*balances.get((account, asset), (0, 0))) for asset in assets]
        lines.append(" ".join(f"| {' | '.join(cells)} |".split()))
    return lines


def draw_balance(available: int, held: int) -> str:
    """Empty for nothing."""
    if not held:
        return number_text(available) if available else ""
    return f"{number_text(available)}+{number_text(held)}"


def write_hold(hold: OpenHold) -> str:
    """One open order with what it holds."""
    words = [f"{hold.order_id}{owner_text(hold.account)}", SIDE_NAMES[hold.side]]
    words += [number_text(hold.held), ASSETS[hold.asset]]
    words += [f"tier {hold.tier}"] if hold.tier else []
    words += [f"in {hold.market}"] if hold.market else []
    return " ".join(words)
