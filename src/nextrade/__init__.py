"""NexTrade: a compiled price-time-priority order book, and what an exchange needs around it.

>>> from nextrade import OrderBook, Side
>>> book = OrderBook()
>>> book.limit(1, Side.SELL, price_ticks=10_000, qty_lots=5).leaves_lots
5
>>> outcome = book.limit(2, Side.BUY, price_ticks=10_001, qty_lots=3)
>>> [(trade.maker_id, trade.price_ticks, trade.qty_lots) for trade in outcome.trades]
[(1, 10000, 3)]
>>> book.best_ask, len(book)
(10000, 1)

Machines use the batch way in: ``book.process(commands) -> events``, arrays of
COMMAND_DTYPE and EVENT_DTYPE. ``generate`` makes order flow to try it with, ``replay``
drives a book through a file, ``Market`` converts decimal text to ticks and lots exactly.
"""

from typing import TYPE_CHECKING, Any

from . import errors
from ._book import Indicative, OrderBook, Outcome, Top, Trade
from .domain.assets import Asset
from .domain.listings import Fees, Listing, Listings
from .domain.markets import Market
from .dtypes import COMMAND_DTYPE, DEPTH_DTYPE, EVENT_DTYPE, LEVEL_DTYPE, ORDER_DTYPE
from .enums import (
    CommandKind,
    EventFlag,
    EventKind,
    OrderType,
    PostOnly,
    Reason,
    SelfTrade,
    Side,
    TimeInForce,
    TradingState,
)
from .errors import (
    BookBusy,
    BookStopped,
    DataError,
    ExchangeError,
    InvariantError,
    MissingExtra,
    NexTradeError,
    Rejected,
    SnapshotError,
    UnitError,
)
from .tables import TRADE_DTYPE, to_pandas, to_polars, trades

if TYPE_CHECKING:
    from .service.exchange import Exchange
    from .service.generate import generate
    from .service.replay import (
        AGENT_IDS,
        AGENT_OWNER,
        MESSAGE_DTYPE,
        MessageAction,
        MessageFlag,
        Replay,
        Report,
        Step,
        View,
        open_source,
        replay,
    )

    __version__: str

_REPLAY = (
    "AGENT_IDS",
    "AGENT_OWNER",
    "MESSAGE_DTYPE",
    "MessageAction",
    "MessageFlag",
    "Replay",
    "Report",
    "Step",
    "View",
    "open_source",
    "replay",
)
"""What comes from the service ``replay``, looked up when first used."""

__all__ = [
    "AGENT_IDS",
    "AGENT_OWNER",
    "COMMAND_DTYPE",
    "DEPTH_DTYPE",
    "EVENT_DTYPE",
    "LEVEL_DTYPE",
    "MESSAGE_DTYPE",
    "ORDER_DTYPE",
    "TRADE_DTYPE",
    "Asset",
    "BookBusy",
    "BookStopped",
    "CommandKind",
    "DataError",
    "EventFlag",
    "EventKind",
    "Exchange",
    "ExchangeError",
    "Fees",
    "Indicative",
    "InvariantError",
    "Listing",
    "Listings",
    "Market",
    "MessageAction",
    "MessageFlag",
    "MissingExtra",
    "NexTradeError",
    "OrderBook",
    "OrderType",
    "Outcome",
    "PostOnly",
    "Reason",
    "Rejected",
    "Replay",
    "Report",
    "SelfTrade",
    "Side",
    "SnapshotError",
    "Step",
    "TimeInForce",
    "Top",
    "Trade",
    "TradingState",
    "UnitError",
    "View",
    "__version__",
    "errors",
    "generate",
    "open_source",
    "replay",
    "to_pandas",
    "to_polars",
    "trades",
]


def __getattr__(name: str) -> Any:
    """Services and the version are looked up when first used: importing the book stays quick."""
    found: Any
    if name == "generate":
        from .service import generate as package

        found = package.generate
    elif name == "Exchange":
        from .service import exchange as exchange_package

        found = exchange_package.Exchange
    elif name in _REPLAY:
        from .service import replay as replay_package

        found = getattr(replay_package, name)
    elif name == "__version__":
        from importlib.metadata import PackageNotFoundError, version

        try:
            found = version("nextrade")
        except PackageNotFoundError:  # run from the source tree, never installed
            found = "0+unknown"
    else:
        raise AttributeError(f"module 'nextrade' has no attribute {name!r}")
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    """The public names, those not yet looked up included."""
    return sorted({*globals(), *__all__})
