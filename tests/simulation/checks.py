"""What must hold after a schedule has come to rest."""

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import numpy as np

from nextrade import CommandKind, EventKind
from nextrade.domain.listings import Listing, Listings
from nextrade.domain.listings_text import unpack_listings
from nextrade.domain.protocol.entries import EntryKind, read_entry
from nextrade.domain.protocol.frames import Frame, FrameKind, Verdict, decode, identity_of
from nextrade.domain.protocol.judging import identity_of_bytes
from nextrade.domain.protocol.messages import Message, read_message
from nextrade.domain.protocol.replica_snapshot import restore_replica
from nextrade.domain.protocol.takeover import replayed

from .names import names
from .operator import units_of
from .play import ACCOUNTS, BUCKETS, LISTINGS, MONEY, Play
from .ports import NUMBER
from .servers import Broken

OF_COMMANDS = (FrameKind.COMMANDS, FrameKind.NAMED)
_QUIET = (Verdict.RUN, Verdict.ABANDONED)


def check(play: Play) -> None:
    """Raise Broken for the first thing that must not be."""
    if play.stopped:
        return
    if not play.lost_time:
        for noticed in ("noticed lost time", "noticed a lost answer"):
            if play.world.counts.get(noticed):
                raise Broken(f"a worker {noticed}, and nothing was lost")
    messages = heard(play)
    money(play, messages)
    units(play, messages)
    still = holds(play)
    frames(play, messages)
    dead_letters(play, messages)
    names(play, messages, still)


def heard(play: Play) -> list[Message]:
    """The stream as a consumer takes it: nothing twice, nothing missing."""
    accepted: list[Message] = []
    bytes_of: dict[tuple[int, int], bytes] = {}
    batch, index = 1, 0
    for text in play.world.broker.stream:
        message = read_message(text)
        if accepted and message.time_ns < accepted[-1].time_ns and message.batch >= batch:
            raise Broken(f"the time of batch {message.batch} lies before that of the batch before")
        name = message.batch, message.first_index
        if name in bytes_of:
            if bytes_of[name] != text:
                raise Broken(f"two different messages have the name {name}")
            continue
        if name != (batch, index):
            raise Broken(f"the stream goes on with {name} after {(batch, index)}")
        bytes_of[name] = text
        accepted.append(message)
        batch, index = (batch, message.next_index) if message.more else (batch + 1, 0)
    if batch - 1 != play.world.store.last:
        raise Broken(f"the stream ends with {batch - 1}, the store with {play.world.store.last}")
    return accepted


def money(play: Play, messages: list[Message]) -> None:
    """What each account has is what it had, and what its trades changed."""
    owned = {(account, asset): MONEY for account in range(1, ACCOUNTS + 1) for asset in range(2)}
    owned[0, 0] = owned[0, 1] = 0
    for message, listings in under_listings(messages):
        trades = message.events["kind"] == EventKind.TRADE
        markets = message.markets[trades].tolist()
        for market, event in zip(markets, message.events[trades], strict=True):
            trade(owned, event, listings.listings[market])
    for bucket in play.world.buckets:
        for (account, asset), balance in bucket.balances.items():
            if min(balance) < 0:
                raise Broken(f"account {account} has {balance} of asset {asset}")
            if sum(balance) != owned.get((account, asset), 0):
                raise Broken(
                    f"account {account} has {balance} of asset {asset}; its trades leave"
                    f" {owned.get((account, asset), 0)}"
                )


def under_listings(messages: list[Message]) -> Iterator[tuple[Message, Listings]]:
    """Each message with the listings that its batch ran under, as the stream told of them."""
    listings = LISTINGS
    for message in messages:
        if message.listings:
            listings = unpack_listings(message.listings)
        yield message, listings


def trade(owned: dict[tuple[int, int], int], event: Any, listing: Listing) -> None:
    """Both sides get what the other gives, less the fee of today's rates, which account 0 gets."""
    taker, maker = int(event["owner"]), int(event["maker_owner"])
    taker_buys = event["side"] == 0
    lot, tick_lot = units_of(listing.market)
    base = int(event["qty_lots"]) * lot
    quote = int(event["qty_lots"]) * int(event["price_ticks"]) * tick_lot
    rates = listing.tiers[0]
    gets = (base, quote) if taker_buys else (quote, base)
    for account, other, asset, amount, rate in (
        (taker, maker, 0 if taker_buys else 1, gets[0], rates.taker),
        (maker, taker, 1 if taker_buys else 0, gets[1], rates.maker),
    ):
        fee = amount * rate // 1_000_000
        owned[account, asset] += amount - fee
        owned[0, asset] += fee
        owned[other, asset] -= amount


def units(play: Play, messages: list[Message]) -> None:
    """No price or quantity is taken for one of other units than its sender knew."""
    made: list[bool] = []
    sent = {
        (frame.identity, frame.crc): frame
        for frame in (decode(text) for texts in play.published.values() for text in texts)
    }
    for message, listings in under_listings(messages):
        if len(message.frames):
            made = []
        for identity, crc, _, verdict, _ in message.frames.tolist():
            if verdict == Verdict.RUN and sent[identity, crc].kind in OF_COMMANDS:
                made += stale(sent[identity, crc], listings)
        for event in message.events:
            refused = event["kind"] == EventKind.REJECTED and event["reason"] == 141
            if refused != made[event["command"]]:
                raise Broken(f"a command of batch {message.batch}, stale or not: {event}")


def stale(frame: Frame, listings: Listings) -> list[bool]:
    """Of each command, whether it counts in units of before."""
    since = [one.units_version for one in listings.listings] + [0]
    last = len(since) - 1
    counts = np.isin(frame.records["kind"], [CommandKind.PLACE, CommandKind.REPLACE])
    return [
        bool(counting) and 0 < frame.listings < since[min(market, last)]
        for counting, market in zip(counts, frame.records["market"].tolist(), strict=True)
    ]


def holds(play: Play) -> set[int]:
    """What is held is what open orders hold, and nothing waits for an end; returns these orders."""
    acquired = play.world.books.look(NUMBER)
    replica = restore_replica(LISTINGS, 0, BUCKETS, acquired.snapshot, play.limits)
    replayed(replica, acquired)
    expected: dict[tuple[int, int], int] = defaultdict(int)
    for order in replica.partition.open_orders():
        expected[int(order["account"]), int(order["asset"])] += int(order["held"])
    for number, bucket in enumerate(play.world.buckets):
        if bucket.answers:
            raise Broken(f"bucket {number} still keeps answers to {list(bucket.answers)}")
        for key, (_, held) in bucket.balances.items():
            if held != expected[key]:
                raise Broken(f"{key}: {held} is held, and orders hold {expected[key]}")
        for asset in range(2):
            own = [pair for (_, one), pair in bucket.balances.items() if one == asset]
            if sum(held for _, held in own) != replica.sums.held[number, asset]:
                raise Broken(f"bucket {number} holds {own}, the books say {replica.sums.held}")
        if bucket.watermark != replica.heads[number]:
            raise Broken(f"bucket {number} stands at {bucket.watermark}, not {replica.heads}")
    return set(replica.partition.open_orders()["order_id"].tolist())


def frames(play: Play, messages: list[Message]) -> None:
    """Each frame that was not thrown away has one outcome, and each of its commands."""
    verdicts: dict[int, list[int]] = defaultdict(list)
    ran: dict[int, tuple[int, int]] = {}
    for message in messages:
        for identity, crc, records, verdict, _ in message.frames.tolist():
            verdicts[identity].append(verdict)
            if verdict == Verdict.RUN:
                ran[identity] = crc, records
    for identity, sent in play.published.items():
        found = verdicts.pop(identity, [])
        if not found and identity in play.purged:
            continue
        # Two of one id may both be refused, and are then known by their bytes.
        odd = all(identity_of_bytes(one) in verdicts for one in sent)
        if not found and len(sent) > 1 and odd:
            continue
        # One that was forgotten may be told off when it comes again; it has run all the same. And
        # of two with one id the other may have reserved, and be given up.
        after = {Verdict.TOO_OLD}
        if len(sent) > 1 or play.lost_time:
            after.add(Verdict.ABANDONED)
        if set(found[1:]) <= after:
            found = found[:1]
        if len(found) != 1:
            raise Broken(f"frame {identity} has the verdicts {found}")
        if found == [Verdict.RUN] and ran[identity] not in [
            (one.crc, len(one.records) if one.kind in OF_COMMANDS else 0)
            for one in map(decode, sent)
        ]:
            raise Broken(f"of frame {identity} something ran that was never sent")
    for message_sent in play.strange:
        verdicts.pop(identity_of(message_sent), None)
    odd = [identity for identity in verdicts if not identity >> 63]
    if odd:
        raise Broken(f"frames that nobody sent ended: {odd}")
    orders(messages)


def orders(messages: list[Message]) -> None:
    """Every command has an event of its own; no order is taken in twice."""
    begun: dict[int, int] = defaultdict(int)
    commands, answered = 0, set()
    for message in messages:
        if len(message.frames):
            if len(answered) != commands:
                raise Broken(f"{commands} commands before batch {message.batch}: {answered}")
            commands = int(message.frames["records"].sum())
            answered = set()
        answered |= set(message.events["command"].tolist())
        # One of no side opens a mass cancel.
        accepted = (message.events["kind"] == EventKind.ACCEPTED) & (message.events["side"] != 2)
        for order_id in message.events["order_id"][accepted].tolist():
            begun[order_id] += 1
    if len(answered) != commands:
        raise Broken(f"{commands} commands at the end, events of {answered}")
    twice = [order_id for order_id, count in begun.items() if count > 1]
    if twice:
        raise Broken(f"orders {twice} were taken in twice")


def dead_letters(play: Play, messages: list[Message]) -> None:
    """What did not run is a dead letter, and nothing else is."""
    verdicts: dict[int, set[int]] = defaultdict(set)
    for message in messages:
        for identity, _, _, verdict, _ in message.frames.tolist():
            verdicts[identity].add(verdict)
    gone = {name for body in play.purged_bodies for name in names_of(body)}
    buried = {name for body, _, _ in play.world.broker.dead for name in names_of(body)}
    for identity, found in verdicts.items():
        if not found <= set(_QUIET) and identity not in buried | gone:
            raise Broken(f"{identity} ended with {found}, and is no dead letter")
    for body, _, _ in play.world.broker.dead:
        ends = [found for name in names_of(body) for found in verdicts[name]]
        if set(ends) <= {Verdict.RUN}:
            raise Broken(f"{identity_of(body)} is a dead letter, and ended with {ends}")
    bodies = {body for body, _, _ in play.world.broker.dead}
    for message_sent in play.strange:
        if message_sent not in bodies and message_sent not in play.purged_bodies:
            raise Broken("a message that is no frame of this partition is no dead letter")


def names_of(message: bytes) -> tuple[int, int]:
    """The id of a message and the number that stands for its bytes."""
    return identity_of(message), identity_of_bytes(message)


def entries_of(play: Play) -> list[EntryKind]:
    """What the batches were made of, for tests that want to see that all kinds came up."""
    return [read_entry(text)[0].kind for text in play.world.store.entries.values()]
