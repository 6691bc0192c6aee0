"""Random commands over three markets, close enough to each other that much happens."""

import numpy as np

from nextrade import COMMAND_DTYPE, CommandKind, OrderType, TimeInForce, TradingState

KINDS = [
    *[CommandKind.PLACE] * 22,
    *[CommandKind.CANCEL] * 4,
    *[CommandKind.REDUCE] * 2,
    *[CommandKind.REPLACE] * 8,
    CommandKind.MASS_CANCEL,
    CommandKind.EXPIRE,
    CommandKind.UNCROSS,
]
TYPES = [*[OrderType.LIMIT] * 8, *[OrderType.MARKET] * 3, *OrderType]


def random_commands(
    seed: int, count: int, *, price: int = 100, lots: int = 9
) -> tuple[np.ndarray, np.ndarray]:
    """A batch and the tiers of its accounts. Ids come up again and again, also when in use."""
    rng = np.random.default_rng(seed)
    batch = np.zeros(count, COMMAND_DTYPE)
    kinds = rng.choice([int(kind) for kind in KINDS], count)
    types = rng.choice([int(kind) for kind in TYPES], count)
    places, market_type = kinds == CommandKind.PLACE, types == OrderType.MARKET
    batch["timestamp_ns"] = np.arange(count)
    batch["order_id"] = rng.integers(1, 60, count)
    batch["owner"] = rng.integers(1, 6, count)
    batch["market"] = rng.choice([0, 0, 0, 1, 2], count)
    batch["kind"] = kinds
    batch["side"] = rng.integers(0, 2, count)
    batch["price_ticks"] = price + rng.integers(-5, 6, count)
    batch["qty_lots"] = rng.integers(1, lots + 1, count)
    batch["order_type"] = np.where(places, types, 0)
    batch["time_in_force"] = np.where(places, rng.choice([0, 0, 0, 0, 1, 2, 3], count), 0)
    gtd = batch["time_in_force"] == TimeInForce.GTD
    batch["expire_ns"] = np.where(gtd, np.arange(count) + rng.integers(1, 60, count), 0)
    dormant = places & (types >= OrderType.STOP_MARKET)
    batch["trigger_ticks"] = np.where(dormant, price + rng.integers(-5, 6, count), 0)
    batch["self_trade"] = np.where(places, rng.integers(0, 5, count), 0)
    iceberg = places & (types == OrderType.LIMIT) & (rng.random(count) < 0.2)
    batch["display_lots"] = np.where(iceberg, 2, 0)
    post = places & (types == OrderType.LIMIT) & ~iceberg & (rng.random(count) < 0.2)
    batch["post_only"] = np.where(post, rng.integers(1, 3, count), 0)
    by_amount = places & market_type & (rng.random(count) < 0.6)
    batch["quote_amount"] = np.where(by_amount, rng.integers(1, price * lots, count), 0)
    batch["qty_lots"][by_amount] = 0
    batch["time_in_force"][by_amount] = TimeInForce.IOC
    batch["expire_ns"][by_amount] = 0
    operator = np.isin(kinds, [CommandKind.EXPIRE, CommandKind.UNCROSS])
    batch["owner"][operator] = 0
    # An auction must begin before it can end; most of the time the market is open.
    uncross = kinds == CommandKind.UNCROSS
    begins = uncross & (rng.random(count) < 0.5)
    batch["kind"][begins] = CommandKind.SET_STATE
    batch["state"] = np.where(begins, TradingState.AUCTION, TradingState.OPEN)
    batch["price_ticks"][uncross] = 0
    return batch, rng.integers(0, 2, count).astype(np.uint8)
