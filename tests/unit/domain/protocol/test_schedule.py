"""Frames that the exchange sends itself."""

from nextrade import CommandKind
from nextrade.domain.protocol.frames import decode
from nextrade.domain.protocol.ids import milliseconds_of
from nextrade.domain.protocol.schedule import EXPIRY_STEP_MS, expiry_frame

NOW_MS = 1_800_000_000_040


def test_an_expiry_has_one_name_within_its_step() -> None:
    """Two workers that ask at about the same time ask for the same; later it is another."""
    frames = [expiry_frame(1, 5, 2, NOW_MS + after) for after in (0, 30, EXPIRY_STEP_MS)]

    assert frames[0] == frames[1]
    first, later = decode(frames[0]), decode(frames[2])
    assert first.identity < later.identity
    assert milliseconds_of(first.identity) == NOW_MS // EXPIRY_STEP_MS * EXPIRY_STEP_MS
    (command,) = first.records
    assert (first.partition, command["kind"], command["market"]) == (1, CommandKind.EXPIRE, 5)
    assert command["owner"] == 0


def test_markets_have_names_of_their_own() -> None:
    """Of two markets of a partition both expire."""
    one, other = (decode(expiry_frame(0, market, market, NOW_MS)) for market in (0, 1))
    assert one.identity != other.identity
