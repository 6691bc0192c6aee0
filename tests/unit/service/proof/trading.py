"""Some trading on the exchange that the settings describe, by real workers on its servers."""

from contextlib import closing

import numpy as np

from nextrade import SelfTrade
from nextrade.domain.protocol.frames import commands_frame
from nextrade.domain.protocol.worker import Worker
from nextrade.platform.settings import Settings
from nextrade.service.exchange.door import order_command

from .driver import ListBus, SteppedClock

ASK, BID = 1001, 1003
"""Ids of the two orders that stay open."""


def trade(settings: Settings) -> dict[int, list[bytes]]:
    """Run one batch of four orders in partition 0; returns the messages of its stream.

    Account 1 (who must have 2 BTC) offers 1 BTC; account 2 (1,000 USDT) buys a part of it.
    """
    from nextrade.service.home.opening import placement_of
    from nextrade.service.ledger.redis import BucketBatches, RedisLedger
    from nextrade.service.store import RedisBookStore
    from nextrade.service.store.founding import open_founding

    placement, bus = placement_of(settings), ListBus()
    with (
        closing(RedisLedger(placement)) as ledger,
        closing(RedisBookStore(placement)) as store,
    ):
        founding = open_founding(store.founding(0))
        worker = Worker(
            founding.listings,
            0,
            bus,
            BucketBatches(ledger.shards),
            store,
            SteppedClock(),
            limits=founding.limits(),
        )
        market = founding.listings.market("BTC-USDT")
        commands = []
        for order_id, account, side, quantity, price in (
            (ASK, 1, "SELL", "1", "500"),
            (1002, 2, "BUY", "0.5", "500"),
            (BID, 2, "BUY", "0.25", "400"),
            (1004, 2, "BUY", "100", "400"),
        ):
            command = order_command(
                founding.listings.listings[market],
                None,
                side=side,
                quantity=quantity,
                price=price,
                amount=None,
                worst_price=None,
                trigger=None,
                order_type=None,
                time_in_force="GTC",
                post_only="NO",
                self_trade=SelfTrade(0),
                display=None,
            )
            command["order_id"], command["owner"], command["market"] = order_id, account, market
            commands.append(command)
        bus.queue.append(commands_frame(0, 1 << 40, np.concatenate(commands)))
        worker.step()
        worker.step()
        worker.drain()
    return {0: bus.stream, 1: []}
