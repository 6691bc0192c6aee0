"""What must hold once an exchange has come to rest."""

import time
from collections import Counter, defaultdict
from collections.abc import Sequence

from nextrade import EventKind, Side
from nextrade.domain.protocol.frames import Verdict
from nextrade.domain.protocol.messages import Message
from nextrade.service.gateway.opening import Bus
from nextrade.service.home.stores import open_store

from .cashier import check_money
from .harness import Exchange, Fault
from .load import Load

QUIET_S = 120.0
"""How long a backlog may take."""


def check(exchange: Exchange, loads: Sequence[Load], dead_letters: int | None = 0) -> str:
    """Wait for rest and raise Fault for the first thing that must not be; a line of counts.

    ``dead_letters`` is how many there are, None for any number.
    """
    wait_until_quiet(exchange)
    exchange.check_workers()
    done = exchange.nextrade("verify", "--full")
    if done.returncode:
        raise Fault(f"verify: {done.stdout}\n{done.stderr}")
    check_money(exchange)
    depths = exchange.topology.depths(exchange.target, exchange.partitions)
    found = sum(depths[exchange.topology.dead(number)] or 0 for number in exchange.partitions)
    if dead_letters is not None and found != dead_letters:
        raise Fault(f"{found} dead letters, not {dead_letters}")
    return judge(heard(exchange), loads)


def wait_until_quiet(exchange: Exchange) -> None:
    """Wait until no frame waits, and all that was committed is done."""
    names = [exchange.topology.orders(number) for number in exchange.partitions]
    names += [exchange.topology.fallen(number) for number in exchange.partitions]
    end, quiet = time.monotonic() + QUIET_S, 0
    store = open_store(exchange.settings)
    while quiet < 4:
        time.sleep(0.3)
        depths = exchange.topology.depths(exchange.target, exchange.partitions)
        waiting = {name: depths[name] for name in names if depths[name]}
        stands = [store.look(number) for number in exchange.partitions]
        begun = [(one.batch, one.cleared) for one in stands if one.batch != one.cleared]
        quiet = 0 if waiting or begun else quiet + 1
        if time.monotonic() > end:
            raise Fault(f"it does not come to rest: {waiting} {begun}")
    store.close()


def heard(exchange: Exchange) -> list[Message]:
    """All messages of the streams, each once; a gap is a fault."""
    messages = []
    with Bus(exchange.settings).feed(exchange.partitions, "first", batch=1) as feed:
        for news in feed.news(2.0):
            if news.message is None:
                raise Fault(f"partition {news.partition}: {news.trouble}")
            messages.append(news.message)
    return messages


def verdicts_of(messages: Sequence[Message]) -> dict[int, list[int]]:
    """Of each frame its verdicts."""
    found = defaultdict(list)
    for message in messages:
        for identity, _, _, verdict, _ in message.frames.tolist():
            found[identity].append(verdict)
    return dict(found)


def judge(messages: Sequence[Message], loads: Sequence[Load]) -> str:
    """Raise Fault unless each confirmed frame ran once, whole; a line that says so."""
    verdicts = verdicts_of(messages)
    ran = {
        identity: records
        for message in messages
        for identity, _, records, verdict, _ in message.frames.tolist()
        if verdict == Verdict.RUN
    }
    sent: Counter[int] = Counter()
    for load in loads:
        sent += load.records
    confirmed = set().union(*(load.confirmed for load in loads))
    unconfirmed = set().union(*(load.unconfirmed for load in loads))
    for frame in confirmed:
        if verdicts.get(frame) != [Verdict.RUN] or ran[frame] != sent[frame]:
            raise Fault(
                f"confirmed frame {frame} of {sent[frame]} commands: {verdicts.get(frame)},"
                f" {ran.get(frame)} ran"
            )
    for frame in unconfirmed:
        if len(verdicts.get(frame, ())) > 1 or ran.get(frame, sent[frame]) != sent[frame]:
            raise Fault(f"frame {frame}, not confirmed: {verdicts[frame]}, {ran.get(frame)} ran")
    # What a partition asks for itself has an id that another one may give as well.
    ended = Counter(
        (one.partition, frame) for one in messages for frame in one.frames["identity"].tolist()
    )
    if twice := [name for name, times in ended.items() if times > 1]:
        raise Fault(f"ended more than once: {[(*name, verdicts[name[1]]) for name in twice[:5]]}")
    _check_commands(messages, set().union(*(load.orders for load in loads)))
    _check_names(messages, loads)
    commands = sum(sent[frame] for frame in confirmed)
    events = Counter(EventKind(kind).name for one in messages for kind in one.events["kind"])
    return (
        f"{len(confirmed):,} confirmed frames with {commands:,} commands ran once each, of"
        f" {len(unconfirmed)} unconfirmed {sum(frame in ran for frame in unconfirmed)};"
        f" {events['TRADE']:,} trades, {events['REJECTED']:,} refusals"
    )


def _check_commands(messages: Sequence[Message], orders: set[int]) -> None:
    """Every command has an event of its own; no order of a gateway is taken in twice."""
    begun: Counter[int] = Counter()
    wanted: dict[int, int] = defaultdict(int)
    answered: dict[int, set[int]] = defaultdict(set)
    for one in messages:
        if len(one.frames):
            _all_answered(one.partition, wanted, answered)
            wanted[one.partition] = int(one.frames["records"].sum())
            answered[one.partition] = set()
        answered[one.partition] |= set(one.events["command"].tolist())
        begun.update(_taken_in(one))
    for partition in wanted:
        _all_answered(partition, wanted, answered)
    if twice := [order for order in orders if begun[order] > 1]:
        raise Fault(f"orders {twice[:5]} were taken in twice")


def _taken_in(message: Message) -> list[int]:
    """The orders that a message says were taken in."""
    events = message.events
    # What is of no side opens a mass cancel, whatever order it named.
    is_new = (events["kind"] == EventKind.ACCEPTED) & (events["side"] != Side.NONE)
    orders: list[int] = events["order_id"][is_new].tolist()
    return orders


def _check_names(messages: Sequence[Message], loads: Sequence[Load]) -> None:
    """No two orders that were taken in have one client order id of one account."""
    names = {order: name for load in loads for order, name in load.names.items()}
    taken: dict[tuple[int, str], int] = {}
    for one in messages:
        for order in _taken_in(one):
            name = names.get(order)
            if name is not None and taken.setdefault(name, order) != order:
                raise Fault(f"{name} is the id of orders {taken[name]} and {order}")


def _all_answered(partition: int, wanted: dict[int, int], answered: dict[int, set[int]]) -> None:
    if len(answered[partition]) != wanted[partition]:
        raise Fault(
            f"partition {partition}: {wanted[partition]} commands and events of"
            f" {len(answered[partition])}"
        )
