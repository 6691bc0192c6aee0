"""Who changes the listings while everything goes wrong: knows no more than the stream told."""

from dataclasses import replace

from nextrade.domain.listings import Fees, Listing, Listings
from nextrade.domain.listings_text import unpack_listings
from nextrade.domain.markets import Market
from nextrade.domain.protocol.messages import read_message

from .ports import World


class Operator:
    """Makes one change after the other, and asks for some that cannot be."""

    def __init__(self, world: World, founded: Listings) -> None:
        self.world = world
        self._known, self._heard = founded, 0

    def known(self) -> Listings:
        """The newest that the stream told of."""
        stream = self.world.broker.stream
        while self._heard < len(stream):
            if text := read_message(stream[self._heard]).listings:
                self._known = max(self._known, unpack_listings(text), key=lambda one: one.version)
            self._heard += 1
        return self._known

    def proposal(self) -> Listings:
        """Other fees, limits, ticks or lots, or a third market; now and then of a wrong version."""
        dice, known = self.world.dice, self.known()
        version = known.version + dice.choice((1, 1, 1, 1, 0, 2))
        markets = list(known.listings)
        at = dice.randrange(len(markets))
        way = dice.random()
        if way < 0.2:
            fees = tuple(Fees(dice.randrange(500_000), dice.randrange(500_000)) for _ in range(2))
            markets[at] = replace(markets[at], tiers=fees)
        elif way < 0.4:
            markets[at] = replace(markets[at], max_qty_lots=dice.randint(3, 6))
        elif way < 0.6 and len(markets) < 3:
            market = Market("GOLD-C", *known.assets, "1", "1")
            markets.append(Listing(market, units_version=version))
        else:
            if dice.random() < 0.7:
                at = len(markets) - 1
            tick, lot = dice.choice("12"), dice.choice("12")
            market = Market(markets[at].name, *known.assets, tick, lot)
            if units_of(market) != units_of(markets[at].market):
                markets[at] = replace(markets[at], market=market, units_version=version)
        return Listings(known.assets, tuple(markets), version)


def units_of(market: Market) -> tuple[int, int]:
    """What a lot, and a tick on a lot, are worth."""
    return market.base_units_per_lot, market.quote_units_per_tick_lot
