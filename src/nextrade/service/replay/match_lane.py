"""Match and guided mode: requests go into the engine, and its fills are judged.

Beside the engine runs the **recorded book**, a second book that only collects and repeats
what the recording says. From it comes when a call auction is on (an order crosses it and
does not trade), and in guided mode what to put right.

The messages are walked in **stretches**. A stretch ends where the recorded book is needed
as it was at that moment: in guided mode after each aggressive order, in a recording whose
fills are not linked to orders at each recorded row of levels, and where a call auction
begins or ends.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ..._book import OrderBook
from ...dtypes import COMMAND_DTYPE
from ...enums import CommandKind, Side, TradingState
from .auctions import Auction, Calls, auction_checks
from .compare import PAIR_DTYPE, Agreement, Unordered
from .depth_check import DepthCheck
from .engine import Engine
from .guide import cancel_these, copy_recorded, put_right
from .incoming import Chunk
from .lanes import LaneSettings, Step, empty_step
from .messages import Action, Aggressors, Flag, Messages
from .plain import is_plain, may_cross, run_plain
from .readers.source import Commands, Recording
from .rebuild import collecting_book
from .report import Check
from .requests import requests
from .unseen import Unseen
from .walk import Recorded, Walk

_Records = npt.NDArray[np.void]
_Counts = npt.NDArray[np.int64]


class _RecordedStretch(NamedTuple):
    """What the recorded book told when it was run on."""

    lasts: _Counts
    """After how many messages an event is complete; empty where auctions are not looked for."""
    crossed: npt.NDArray[np.bool_]
    """Whether the book was crossed then, as only a call auction crosses it."""
    slices: _Counts
    """Messages that show the next slice of an iceberg."""


_NONE = np.zeros(0, dtype=np.int64)
_FILL, _AUCTION = int(Action.FILL), int(Flag.AUCTION)

_ROWS_A_STRETCH = 16
"""In guided mode an order that left unseen stands at most so many recorded rows too long."""


class MatchLane:
    """One market whose requests are matched by the engine."""

    def __init__(
        self,
        settings: LaneSettings,
        recording: Recording,
        *,
        guided: bool,
        starters: npt.NDArray[np.uint64],
        book: OrderBook | None = None,
    ) -> None:
        self._starters = starters
        self._settings = settings
        self._style = recording.aggressors
        self._shows_auctions = recording.shows_auctions
        self._by_id = recording.queued_by_id
        self._price_decimals = recording.price_decimals
        self._guided = guided
        self._in_step = guided or self._style == Aggressors.UNLINKED
        """Whether the recorded book is needed as it was after each stretch."""
        self.engine = Engine(book)
        self.recorded = collecting_book()
        if book is not None:
            self.recorded.restore(book.snapshot())
            self.recorded.set_state(TradingState.AUCTION)
        self.agreement = Agreement()
        self.unordered = Unordered()
        self.unseen = Unseen()
        self.put_right = 0
        """How many orders were put right."""
        self._depth = DepthCheck("engine")
        self._auctions: list[Auction] = []
        self._calls = Calls()
        self._fills = 0
        """How many fills of aggressive orders earlier chunks had."""
        self._calling = self._crossed = False
        self._next_id = 0
        self._rows = 0
        """How many recorded rows were met in earlier chunks."""
        self._gone: list[int] = []
        """Orders reported gone since the last recorded row."""
        self._settled: list[int] = []
        """Orders gone from both books, to be judged when the trades of the chunk are known."""
        self._touched: set[int] = set()
        """Orders that executions touched since the last whole stretch."""

    def run(self, chunk: Chunk) -> Step:
        """As ``Lane.run``."""
        if not len(chunk.messages):
            return empty_step(self._settings.market, self._settings.levels)
        if self._goes_plainly(chunk):
            step, traded = run_plain(
                chunk, self.engine, self.recorded, self._settings, by_id=self._by_id
            )
            self.agreement.fills_beyond += traded
            return step
        messages = chunk.messages
        recorded = Recorded(messages, by_id=self._by_id)
        fills = self._fills_of(messages)
        ahead = None
        if not self._in_step:
            ahead = self._run_recorded(recorded, fills, 0, len(messages))
        asked = requests(
            messages,
            self._style,
            auctions_match=self._shows_auctions,
            first_id=self._next_id,
            by_id=self._by_id,
            slices=None if ahead is None else ahead.slices,
        )
        self._next_id += len(asked.aggressors)
        walk = Walk(self.engine, chunk, asked, self._settings.levels, by_id=self._by_id)
        for end, is_whole in self._stretch_ends(walk):
            here = ahead or self._run_recorded(recorded, fills, walk.at, end)
            self._stretch(walk, end, here, is_whole=is_whole)
        self._fills += len(fills)
        self._judge(walk)
        if len(chunk.rows.after):
            self._compare_rows(walk)
        return walk.step(self._settings.market)

    def _goes_plainly(self, chunk: Chunk) -> bool:
        """Whether the short way will do: no call is on, and none can begin with this message."""
        if self._in_step or self._calling or not is_plain(chunk):
            return False
        return not self._shows_auctions or not may_cross(chunk.messages, self.recorded)

    def _compare_rows(self, walk: Walk) -> None:
        """The engine's levels against the recorded rows, but for those that show an aggressive
        order half-way: the engine does all of it at once."""
        rows = walk.chunk.rows
        whole = walk.between_aggressors(rows.after)
        self._depth.leave_out(len(whole) - int(np.count_nonzero(whole)))
        found, levels = walk.rows_found()[whole], rows.levels[whole]
        self._depth.add(found, levels, orders_known=rows.orders_known)

    def _stretch_ends(self, walk: Walk) -> list[tuple[int, bool]]:
        """Where the stretches end, and whether each is whole: the last one may only end where
        the chunk does, and what is put right must not depend on how a file is cut."""
        rows = walk.chunk.rows.after
        ends = [np.zeros(0, dtype=np.int64)]
        if self._style == Aggressors.UNLINKED:
            ends.append(rows)
        elif self._guided:
            ends.append(walk.asked.aggressors["end"])
            ends.append(rows[-self._rows % _ROWS_A_STRETCH :: _ROWS_A_STRETCH])
            if self._shows_auctions:  # the call ends with the event that it trades in
                flags = walk.messages["flags"]
                lasts = np.flatnonzero(flags & Flag.LAST)
                traded = np.flatnonzero(
                    (flags & Flag.AUCTION != 0) & (walk.messages["action"] == Action.FILL)
                )
                ends.append(lasts[np.searchsorted(lasts, traded)] + 1)
        self._rows += len(rows)
        merged = np.unique(np.concatenate(ends))
        whole: list[int] = merged[walk.between_aggressors(merged) & (merged > 0)].tolist()
        count = len(walk.messages)
        cut = [] if whole and whole[-1] == count else [(count, False)]
        return [(end, True) for end in whole] + cut

    def _fills_of(self, messages: Messages) -> _Counts:
        """Which messages are fills of aggressive orders, where it matters."""
        if not self._shows_auctions:
            return _NONE
        answers = (messages["action"] == _FILL) & (messages["flags"] & _AUCTION == 0)
        return np.flatnonzero(answers)

    def _run_recorded(
        self, recorded: Recorded, fills: _Counts, first: int, end: int
    ) -> _RecordedStretch:
        """Run the recorded book on to message ``end``; where a call is on between events."""
        if not self._shows_auctions:
            _, slices = recorded.run(self.recorded, first, end, _NONE)
            return _RecordedStretch(_NONE, _NONE.astype(np.bool_), slices)
        lasts = recorded.event_ends(first, end)
        top, slices = recorded.run(self.recorded, first, end, lasts)
        bids, asks = top["price_ticks"][:, 0, 0], top["price_ticks"][:, 1, 0]
        crossed = (bids >= asks) & (bids > 0) & (asks > 0)
        so_far = self._fills + np.searchsorted(fills, lasts)
        return _RecordedStretch(lasts, self._calls.judge(crossed, so_far), slices)

    def _stretch(self, walk: Walk, end: int, recorded: _RecordedStretch, *, is_whole: bool) -> None:
        first, happened = walk.at, []
        for stop, calling in self._call_stretches(first, end, recorded):
            begin = walk.at
            self.enter(walk, begin, calling, recorded_is_here=False)
            happened.append(walk.run_to(stop))
            if calling:
                self._auctions[-1].note(walk.messages[begin:stop])
        self.enter(walk, end, self._crossed, recorded_is_here=True)
        if self._style == Aggressors.UNLINKED:
            self._note_gone(walk, first, end)
        if self._guided:
            self._touched |= walk.involved(first, end, happened, self._style)
        if is_whole:
            self._end_stretch(walk, end)

    def checks(self) -> list[Check]:
        """As ``Lane.checks``, without the agreement, which is one for all markets."""
        checks = [*self.unordered.checks(), *self._depth.checks()]
        return checks + auction_checks(self._auctions, self._price_decimals)

    def _judge(self, walk: Walk) -> None:
        """Compare what the engine traded with the recording."""
        asked, messages = walk.asked, walk.chunk.messages
        trades, commands = walk.trades()
        if not len(trades) and not len(asked.aggressors) and self._style != Aggressors.UNLINKED:
            return
        if self._style == Aggressors.UNLINKED:
            self.unordered.add_recorded(messages[messages["action"] == Action.TRADE])
            self.unordered.add_fills(messages[messages["action"] == Action.FILL])
            self.unordered.add_made(trades)
            self.unordered.settle(np.array(self._settled, dtype=np.uint64))
            self._settled.clear()
            return
        made = np.zeros(len(trades), dtype=PAIR_DTYPE)
        at = np.searchsorted(asked.aggressors["command"], commands)
        at = np.minimum(at, max(len(asked.aggressors) - 1, 0))
        made["aggressor"] = -1
        if len(asked.aggressors):
            made["aggressor"] = np.where(asked.aggressors["command"][at] == commands, at, -1)
        for name in ("maker_id", "price_ticks", "qty_lots"):
            made[name] = trades[name]
        recorded = asked.fills.astype(PAIR_DTYPE, copy=False)
        self.agreement.add(asked.aggressors, recorded, made)

    def _end_stretch(self, walk: Walk, end: int) -> None:
        """Bring the engine to what the recording says, as far as the mode allows."""
        now_ns = walk.now_ns(end - 1)
        if self._style == Aggressors.UNLINKED:
            self._cancel_gone(walk, end, now_ns)
        if not self._guided or self._calling:
            return
        self._drop_ghosts(walk, end, now_ns)
        self.put_right += put_right(self.engine.book, self.recorded, self._touched, now_ns)
        self._touched.clear()

    def _note_gone(self, walk: Walk, first: int, end: int) -> None:
        """Remember which orders were reported gone."""
        messages = walk.messages[first:end]
        gone = (messages["leaves_lots"] == 0) & np.isin(
            messages["action"], (Action.FILL, Action.CANCEL)
        )
        self._gone += messages["order_id"][gone].tolist()

    def _cancel_gone(self, walk: Walk, end: int, now_ns: int) -> None:
        """At each recorded row take out what rests although it was reported gone.

        Messages of different orders may arrive in another order than the exchange handled
        them, so without this the engine drifts away.
        """
        row = walk.row_at(end)
        if row is not None:
            cancel_these(self.engine.book, self._gone, now_ns)
            self._settled += self._gone
            self._gone.clear()
            walk.look_again(end)
            made_up = self.unseen.orders(row, self.recorded)
            self.recorded.process(made_up)
            self.engine.book.process(made_up)

    def _drop_ghosts(self, walk: Walk, end: int, now_ns: int) -> None:
        """Orders better than the recorded best price left unseen: take them out of both books."""
        row = walk.row_at(end)
        if row is None:
            return
        top = self.recorded.top()
        bid, ask = row["price_ticks"][:, 0].tolist()
        bids_inside = top.bid_ticks is not None and top.bid_ticks > bid
        asks_inside = bool(top.ask_ticks is not None and ask and top.ask_ticks < ask)
        if not bids_inside and not asks_inside:
            return
        orders = self.recorded.orders()
        ghosts = np.zeros(len(orders), dtype=np.bool_)
        if bids_inside:
            ghosts |= (orders["side"] == Side.BUY) & (orders["price_ticks"] > bid)
        if asks_inside:
            ghosts |= (orders["side"] == Side.SELL) & (orders["price_ticks"] < ask)
        # A starter is there because the recording names it later: it is early, but no ghost.
        ghosts &= ~np.isin(orders["order_id"], self._starters)
        if ghosts.any():
            ids = orders["order_id"][ghosts].tolist()
            cancel_these(self.recorded, ids, now_ns)
            self.put_right += cancel_these(self.engine.book, ids, now_ns)

    # --- call auctions ---------------------------------------------------------------------

    def _call_stretches(
        self, first: int, end: int, recorded: _RecordedStretch
    ) -> list[tuple[int, bool]]:
        """Where a stretch is cut since a call auction begins or ends, and which parts are one.

        An order that crosses the recorded book once its event is complete, and so did not
        trade, can only be collected for a call; the call lasts until nothing crosses.
        """
        if not self._calling and not recorded.crossed.any():
            self._crossed = False
            return [(end, False)] if first < end else []
        # Most often nothing crosses and no call is on, or the recording shows no calls at all.
        if not len(recorded.lasts) or not (self._calling or recorded.crossed.any()):
            self._crossed = self._calling
            return [(end, self._calling)] if end > first else []
        here = (recorded.lasts > first) & (recorded.lasts <= end)
        lasts, crossed = recorded.lasts[here], recorded.crossed[here]
        cuts: list[tuple[int, bool]] = []
        at, calling = first, self._calling
        for place in np.flatnonzero(np.diff(crossed, prepend=calling)).tolist():
            # The event that crossed belongs to the auction, and so does the one that ended it.
            cut = int(lasts[place]) if calling else (int(lasts[place - 1]) if place else first)
            if cut > at:
                cuts.append((cut, calling))
                at = cut
            calling = not calling
        if at < end:
            cuts.append((end, calling))
        self._crossed = calling
        return cuts

    def enter(self, walk: Walk, at: int, calling: bool, *, recorded_is_here: bool) -> None:
        """Begin or end a call auction in the engine before message ``at``."""
        if calling == self._calling:
            return
        self._calling = calling
        if calling:
            self._auctions.append(Auction(walk.place(at)))
            walk.control(at, _state_command(TradingState.AUCTION))
            return
        # It ends with the message before: the next may be in a later chunk, or never come.
        last = max(at - 1, 0)
        book = self.engine.book
        recorded_ticks = self._auctions[-1].ticks
        self._auctions[-1].expect(book)
        if not self._auctions[-1].lots:
            self._auctions.pop()  # nothing traded: what had crossed was taken back
        if self._guided:
            if recorded_is_here:
                copy_recorded(book, self.recorded, walk.now_ns(last))
                return
            walk.control(last, _state_command(TradingState.OPEN))
        else:
            walk.control(last, _uncross_command(recorded_ticks))


def _state_command(state: TradingState) -> Commands:
    command = np.zeros(1, dtype=COMMAND_DTYPE)
    command["kind"] = CommandKind.SET_STATE
    command["state"] = state
    return command


def _uncross_command(reference_ticks: int) -> Commands:
    """Ends a call; the recorded price decides among prices that are equally good."""
    command = np.zeros(1, dtype=COMMAND_DTYPE)
    command["kind"] = CommandKind.UNCROSS
    command["price_ticks"] = reference_ticks
    command["state"] = TradingState.OPEN
    return command
