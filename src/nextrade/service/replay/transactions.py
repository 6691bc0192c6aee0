"""The order of what happened inside one event of an exchange.

A venue that prints its aggressors reports an event by what it did to the book: first what
came in, then what was hit, then what was taken out. But what self-match prevention takes out
leaves before the incoming order trades or rests. So within an event, cancels of the other
side go before the order that came in. Events of one time are not mixed: what one of them
canceled may have been hit, or have come, in another.
"""

from __future__ import annotations

import numpy as np

from .messages import Action, Flag, Messages

_LEAVES = np.zeros(256, dtype=np.bool_)
_LEAVES[[Action.CANCEL, Action.REDUCE]] = True
_COMES = np.zeros(256, dtype=np.bool_)
_COMES[[Action.ADD, Action.REPLACE, Action.TRADE]] = True


def cancels_first(messages: Messages) -> Messages:
    """The messages, which hold whole events, reordered within each of them."""
    actions, flags = messages["action"], messages["flags"]
    leaves = _LEAVES[actions]
    if len(messages) < 2 or not leaves.any():
        return messages
    plain = flags & (Flag.RESTATES | Flag.SNAPSHOT | Flag.AUCTION) == 0
    comes = _COMES[actions] & plain
    rows = np.arange(len(messages))
    is_last = flags & Flag.LAST != 0
    event = np.cumsum(is_last) - is_last
    first = np.full(event[-1] + 1, len(messages))
    np.minimum.at(first, event[comes], rows[comes])
    incoming = first[event]
    side = np.append(messages["side"], 2)[incoming]
    moves = leaves & plain & (rows > incoming) & (messages["side"] != side)
    if not moves.any():
        return messages
    key = np.where(moves, 2 * incoming - 1, 2 * rows)
    messages = messages[np.argsort(key, kind="stable")]
    # The last of the event is another message now.
    ends = is_last & np.isin(event, event[moves])
    messages["flags"][np.isin(event, event[moves])] &= ~np.uint16(Flag.LAST)
    messages["flags"][ends] |= np.uint16(Flag.LAST)
    return messages
