"""A take-over gives a bucket the client order ids back that it has lost with its answers."""

import numpy as np

from nextrade.domain.postings import KEPT_ID_DTYPE, NAMED_REQUEST_DTYPE, POSTING_DTYPE
from nextrade.domain.protocol.ports import Acquired, Ask, Mark, Reserve, Settle
from nextrade.domain.protocol.takeover import History, _Asked, missing_settles


def test_ids_come_back_with_the_holds() -> None:
    """Those of granted requests of forgotten frames at this bucket, and no others."""
    rows = [
        (1, 0, 5, 10, 2, b"a"),
        (1, 0, 6, 11, 2, b"b"),
        (4, 0, 7, 12, 3, b""),
        (4, 0, 8, 13, 3, b"d"),
    ]
    asks = [
        Ask(frame, np.array(rows, NAMED_REQUEST_DTYPE).tobytes(), named=True) for frame in (7, 8)
    ]
    reserves = [Reserve(0, 0, (asks[0], asks[1])), Reserve(1, 0, (asks[0],))]
    settle = Settle(0, 1, 0, b"\1", b"", (7, 8), strict=True)
    granted = b"\1\2\1\0" + b"\1\1\1\1" + b"\1\1\1\1"
    history = History((0, 0), (settle,), {1: _Asked(reserves, granted)}, ())
    acquired = Acquired(2, 1, 0, b"", 0, (), b"")

    ((only,),) = missing_settles(5, acquired, history, [Mark(0, (8,)), Mark(0, ())])
    assert only.frames == (8,)
    assert only.strict
    assert np.frombuffer(only.ids, KEPT_ID_DTYPE).tolist() == [(1, b"a", 10, 7, 5, 2)]
    held = np.frombuffer(only.postings, POSTING_DTYPE).tolist()
    assert held == [(1, 0, -5, 5), (4, 0, -7, 7)]
