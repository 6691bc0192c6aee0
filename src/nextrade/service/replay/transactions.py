"""The order of what happened inside one transaction of an exchange.

A venue that prints its aggressors reports a transaction (all records of one time) by what
it did to the book: first what came in, then what was hit, then what was taken out. But what
self-match prevention takes out leaves before the incoming order trades or rests. So within
a transaction, cancels of the other side go before the order that came in.
"""

from __future__ import annotations

import numpy as np

from .messages import Action, Flag, Messages

_LEAVES = (Action.CANCEL, Action.REDUCE)
_COMES = (Action.ADD, Action.REPLACE, Action.TRADE)


def cancels_first(messages: Messages) -> Messages:
    """The messages, reordered within each transaction; they hold whole transactions.

    A transaction that was reordered is one event: its parts would show books that never were.
    """
    if not len(messages):
        return messages
    actions, flags, times = messages["action"], messages["flags"], messages["timestamp_ns"]
    plain = flags & (Flag.RESTATES | Flag.SNAPSHOT | Flag.AUCTION) == 0
    comes = np.isin(actions, _COMES) & plain
    rows = np.arange(len(messages))
    starts = np.concatenate([[True], times[1:] != times[:-1]])
    transaction = np.cumsum(starts) - 1
    first = np.full(transaction[-1] + 1, len(messages))
    np.minimum.at(first, transaction[comes], rows[comes])
    incoming = first[transaction]
    side = np.append(messages["side"], 2)[incoming]
    moves = np.isin(actions, _LEAVES) & plain & (rows > incoming) & (messages["side"] != side)
    if not moves.any():
        return messages
    key = np.where(moves, 2 * incoming - 1, 2 * rows)
    messages = messages[np.argsort(key, kind="stable")]
    changed = np.zeros(transaction[-1] + 1, dtype=np.bool_)
    changed[transaction[moves]] = True
    ends = np.append(starts[1:], [True])
    inner = changed[transaction] & ~ends
    messages["flags"][inner] &= ~np.uint16(Flag.LAST)
    messages["flags"][changed[transaction] & ends] |= np.uint16(Flag.LAST)
    return messages
