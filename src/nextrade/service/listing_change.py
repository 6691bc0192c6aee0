"""Listings changed while the exchange runs: proposed, decided by a partition, told to all others.

The partition whose market gets a new tick or lot is asked first, for only it knows whether orders
are open; what it decides of a version stays so. Then the others are told what was decided, and the
record takes it on. Whoever does this may die at any point: who comes next finds the proposal
and does the same again, with the same result.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from types import TracebackType
from typing import NamedTuple, Self

from ..domain.listings import Listings
from ..domain.listings_text import pack_listings
from ..domain.protocol.frames import Verdict, listings_frame
from ..domain.relisting import check_change, new_units
from ..errors import BusLost, ExchangeError, ListingsRefused
from ..platform.settings import Settings
from .gateway.dead import letters_of, remove
from .gateway.feed import Feed
from .gateway.opening import Bus
from .gateway.outcomes import Frames
from .home.listed import stored_listings
from .home.stores import open_store
from .listings_file import listings_of
from .store.listed import ListingsRecord

__all__ = ["Changed", "ListingChange"]

PATIENCE_S = 60.0
_CONFIRM_S = 30.0
_LETTER_S = 5.0
_MOST_LETTERS = 10_000
_STEP_S = 0.2
_ELSEWHERE = "the partition refused it; nextrade dlq list may say why"


class Changed(NamedTuple):
    """What became of a version."""

    listings: Listings
    """The current ones."""
    objection: str
    """Why the partition refused the change; then they are what they were, one version on."""


class ListingChange:
    """Changes the listings of the exchange that the settings mean, which lives on servers.

    ``patience_s`` is how long a partition may take to answer. Raises what opening its book
    stores raises.
    """

    def __init__(self, settings: Settings, patience_s: float = PATIENCE_S) -> None:
        self._store = open_store(settings)
        self._founded = listings_of(settings)
        self._record = ListingsRecord(self._store)
        self._bus = Bus(settings)
        self._patience_s = patience_s

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._store.close()

    def current(self) -> Listings:
        """The listings that hold now."""
        return stored_listings(self._store, self._founded)

    @property
    def proposal(self) -> Listings | None:
        """The next version, if somebody has begun with it and not finished."""
        return self._record.read().proposal

    def finish(self) -> Changed | None:
        """Go on with what somebody has begun; None if nothing was."""
        proposal = self.proposal
        return None if proposal is None else self._decide(proposal)

    def change(self, make: Callable[[Listings], Listings]) -> Changed:
        """Make new listings of the current ones and bring them to all partitions.

        ``make`` is given the current listings with the next version. What another has begun is
        finished first. Raises ListingsRefused, with nothing changed, for what may never be; and
        ExchangeError if a partition does not answer: then ``finish`` goes on.
        """
        while True:
            self.finish()
            current = self.current()
            proposal = make(replace(current, version=current.version + 1))
            check_change(current, proposal)
            if len(_partitions_asked(current, proposal)) > 1:
                raise ListingsRefused(
                    "ticks and lots of markets of one partition alone can change at a time"
                )
            if self._record.propose(proposal):
                return self._decide(proposal)

    def _decide(self, proposal: Listings) -> Changed:
        current = self.current()
        if proposal.version != current.version + 1:
            # Somebody else has finished it meanwhile.
            other = current.version == proposal.version and current != proposal
            return Changed(current, _ELSEWHERE if other else "")
        asked = _partitions_asked(current, proposal)
        others = [number for number in current.partitions if number not in asked]
        with self._bus.feed(current.partitions, "next") as feed:
            teller = _Teller(self._bus, feed, self._patience_s)
            objections = teller.tell(asked, proposal)
            decided = proposal
            if objections:
                decided = replace(current, version=proposal.version)
            for number, said in teller.tell(others, decided).items():
                raise ExchangeError(
                    f"partition {number} refused version {proposal.version} of the listings, which"
                    f" partition {asked[0]} has decided: {said}"
                )
        self._record.adopt(decided)
        return Changed(decided, next(iter(objections.values()), ""))


def _partitions_asked(current: Listings, proposal: Listings) -> list[int]:
    """Who may refuse: the partition of new ticks or lots; else any one decides."""
    changed = {proposal.listings[at].partition for at in new_units(current, proposal)}
    return sorted(changed) or [current.partitions[0]]


class _Teller:
    """Sends listings to partitions and hears what they say of them."""

    def __init__(self, bus: Bus, feed: Feed, patience_s: float) -> None:
        self._bus, self._feed, self._patience_s = bus, feed, patience_s
        self._frames = Frames()

    def tell(self, partitions: Sequence[int], listings: Listings) -> dict[int, str]:
        """Why they refuse, of those that do; ExchangeError if one does not answer."""
        if not partitions:
            return {}
        text = pack_listings(listings)
        frames = {number: self._bus.ids.one() for number in partitions}
        with self._bus.publisher() as publisher:
            for number, identity in frames.items():
                body = listings_frame(number, identity, text)
                publisher.send(self._bus.topology.orders(number), body, str(identity)).result(
                    _CONFIRM_S
                )
        verdicts = self._await(frames)
        objections = {}
        for number, verdict in verdicts.items():
            if verdict == Verdict.LISTINGS_REFUSED:
                objections[number] = self._letter(number, frames[number])
            elif verdict != Verdict.RUN:
                raise ExchangeError(
                    f"partition {number} ended the frame of the listings with {verdict.name};"
                    " nextrade market finish sends it again"
                )
        return objections

    def _await(self, frames: dict[int, int]) -> dict[int, Verdict]:
        wanted = {identity: number for number, identity in frames.items()}
        verdicts: dict[int, Verdict] = {}
        end = time.monotonic() + self._patience_s
        while wanted:
            for news in self._feed.news(_STEP_S):
                if news.message is None:
                    continue
                for outcome in self._frames.fold(news.message):
                    if (number := wanted.pop(outcome.frame, None)) is not None:
                        verdicts[number] = outcome.verdict
                if not wanted or time.monotonic() > end:
                    break
            if wanted and time.monotonic() > end:
                silent = ", ".join(map(str, sorted(wanted.values())))
                raise ExchangeError(
                    f"partition {silent} has not answered within {self._patience_s:g} s: see with"
                    " nextrade doctor whether a worker runs it; then nextrade market finish goes on"
                )
        return verdicts

    def _letter(self, partition: int, identity: int) -> str:
        """The reason in the dead letter, which is taken out, for its sender knows it now."""
        end = time.monotonic() + _LETTER_S
        while time.monotonic() < end:
            try:
                with self._bus.dead_letters(partition) as visit:
                    for letter in letters_of(visit, partition, _MOST_LETTERS):
                        if letter.identity == identity:
                            remove(visit, [letter])
                            return letter.reason
            except BusLost:
                pass
            time.sleep(_STEP_S)
        return _ELSEWHERE
