"""The words of the scenario files: commands are read from them, events are written in them.

Commands, one a line, may start with their time (``t5``, otherwise 0)::

    buy 5A 8 @ 101 ioc             order 5 of owner A: eight lots, limit 101
    sell 5 8 market worst 99       by quantity;  ``buy 5 amount 1000`` by amount
    buy 5 8 to-limit               market-to-limit
    buy 5 8 stop 105 @ 106         stop limit; without ``@ 106`` a stop market order
    buy 5 8 profit 95              take profit
    ... gtd until 50, fok, show 3, post-only, slide, newest|oldest|both|decrement, worst 99
    cancel 5 by A / reduce 5 3 / replace 5 8 @ 101 trigger 106 / mass-cancel A / expire
    state auction / uncross at 100 then open
    ... any field of the command by its name: ``owner=4 kind=9``

Owners are letters, A is 1. ``max`` is 2**63 - 1, ``max-1`` one less.
"""

from tests.oracle import codes
from tests.oracle.codes import (
    I64_MAX,
    CommandKind,
    EventFlag,
    EventKind,
    OrderType,
    PostOnly,
    SelfTrade,
    Side,
    TimeInForce,
    TradingState,
)
from tests.oracle.records import Command, Event

KIND_NAMES = codes.names(EventKind)
REASON_NAMES = codes.names(codes.Reason)
SIDE_NAMES = {Side.BUY: "buy", Side.SELL: "sell"}
STATES = {name.lower().replace("_", "-"): code for code, name in codes.names(TradingState).items()}
FLAGS = {
    "kept": EventFlag.KEPT_PRIORITY,
    "auction": EventFlag.AUCTION,
    "amount": EventFlag.BY_AMOUNT,
}

PLAIN_WORDS = {
    "gtc": {"time_in_force": TimeInForce.GTC},
    "ioc": {"time_in_force": TimeInForce.IOC},
    "fok": {"time_in_force": TimeInForce.FOK},
    "gtd": {"time_in_force": TimeInForce.GTD},
    "post-only": {"post_only": PostOnly.REJECT},
    "slide": {"post_only": PostOnly.SLIDE},
    "newest": {"self_trade": SelfTrade.CANCEL_NEWEST},
    "oldest": {"self_trade": SelfTrade.CANCEL_OLDEST},
    "both": {"self_trade": SelfTrade.CANCEL_BOTH},
    "decrement": {"self_trade": SelfTrade.DECREMENT},
    "market": {"order_type": OrderType.MARKET},
    "to-limit": {"order_type": OrderType.MARKET_TO_LIMIT},
    "stop": {"order_type": OrderType.STOP_MARKET},
    "profit": {"order_type": OrderType.TAKE_PROFIT_MARKET},
}
WORDS_WITH_NUMBER = {
    "@": "price_ticks",
    "at": "price_ticks",
    "worst": "price_ticks",
    "show": "display_lots",
    "until": "expire_ns",
    "stop": "trigger_ticks",
    "profit": "trigger_ticks",
    "trigger": "trigger_ticks",
    "amount": "quote_amount",
}
VERBS = {
    "buy": CommandKind.PLACE,
    "sell": CommandKind.PLACE,
    "cancel": CommandKind.CANCEL,
    "reduce": CommandKind.REDUCE,
    "replace": CommandKind.REPLACE,
    "mass-cancel": CommandKind.MASS_CANCEL,
    "expire": CommandKind.EXPIRE,
    "state": CommandKind.SET_STATE,
    "uncross": CommandKind.UNCROSS,
    "command": 0,
}


def number(text: str) -> int:
    """A number; ``max`` and ``max-1`` mean the largest and one less."""
    if text.startswith("max"):
        return I64_MAX - int(text[4:] or 0)
    return int(text)


def number_text(value: int) -> str:
    """The other way round."""
    below = I64_MAX - value
    return str(value) if below > 9 else f"max-{below}" if below else "max"


def owner_number(text: str) -> int:
    """An owner by its letter; no letter is nobody."""
    return ord(text) - ord("A") + 1 if text else 0


def owner_text(owner: int) -> str:
    """The letter of an owner."""
    return chr(ord("A") + owner - 1) if owner else ""


def id_and_owner(text: str) -> tuple[int, int]:
    """``4A`` is order 4 of owner A."""
    digits = text.rstrip("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
    return int(digits), owner_number(text[len(digits) :])


def read_command(line: str) -> Command:
    """One line of a scenario as a command."""
    words = line.split()
    fields: dict[str, int] = {}
    if words[0][0] == "t" and words[0][1:].lstrip("-").isdigit():
        fields["timestamp_ns"] = int(words.pop(0)[1:])
    verb = words.pop(0)
    fields["kind"] = VERBS[verb]
    if verb == "sell":
        fields["side"] = Side.SELL
    if verb in ("buy", "sell", "cancel", "reduce", "replace"):
        fields["order_id"], fields["owner"] = id_and_owner(words.pop(0))
        if words and (words[0].lstrip("-").isdigit() or words[0].startswith("max")):
            fields["qty_lots"] = number(words.pop(0))
    elif verb == "mass-cancel":
        fields["owner"] = owner_number(words.pop(0).replace("nobody", ""))
    elif verb == "state":
        fields["state"] = STATES[words.pop(0)]
    while words:
        word = words.pop(0)
        if "=" in word:
            name, value = word.split("=")
            fields[name] = number(value)
        elif word == "by":
            fields["owner"] = owner_number(words.pop(0))
        elif word == "then":
            fields["state"] = STATES[words.pop(0)]
        else:
            fields |= PLAIN_WORDS.get(word, {})
            if word == "amount":
                fields["order_type"] = OrderType.MARKET
            if word == "@" and fields.get("trigger_ticks"):
                fields["order_type"] += 1
            if word in WORDS_WITH_NUMBER:
                fields[WORDS_WITH_NUMBER[word]] = number(words.pop(0))
            elif word not in PLAIN_WORDS:
                raise ValueError(f"unknown word {word!r} in {line!r}")
    return Command(**fields)


def write_event(event: Event) -> str:
    """One event as a line that shows every field but the time and the position in the batch."""
    kind = KIND_NAMES[event.kind]
    words = [kind.lower().replace("_", "-")]
    about_order = event.side != Side.NONE or event.kind in (EventKind.REJECTED, EventKind.TRADE)
    if about_order or event.order_id or event.owner:
        words.append(f"{event.order_id}{owner_text(event.owner)}")
    if event.side != Side.NONE:
        words.append(SIDE_NAMES[event.side])
    if about_order or event.qty_lots or event.price_ticks:
        words.append(f"{number_text(event.qty_lots)} @ {number_text(event.price_ticks)}")
    if event.leaves_lots or event.kind == EventKind.TRADE:
        words.append(f"left {number_text(event.leaves_lots)}")
    if event.kind == EventKind.TRADE:
        words.append(f"from {event.maker_id}{owner_text(event.maker_owner)}")
        words.append(f"left {number_text(event.maker_leaves_lots)} #{event.trade_index}")
    elif event.maker_id or event.maker_owner or event.maker_leaves_lots or event.trade_index:
        words.append(f"stray {event}")
    if event.reason:
        words.append(REASON_NAMES[event.reason])
    words += [name for name, flag in FLAGS.items() if event.flags & flag]
    return " ".join(words)
