"""The soak keeps its book bounded, meets every kind of event, and notices a leak."""

import io
import sys

import pytest
from rich.console import Console

pytest.importorskip("bench", reason="bench/ is not part of this checkout")

from bench.soak import MIB, Leak, Soak

from nextrade import EventKind

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="resident memory is read from /proc"
)


def quiet() -> Console:
    """A console that nobody reads."""
    return Console(file=io.StringIO())


def test_soak_meets_every_event() -> None:
    """A short run sees all kinds of events but the states that the flow never enters."""
    soak = Soak(commands=300_000, batch=4096, bound_bytes=64 * MIB)

    soak.run(quiet())

    seen = {EventKind(kind) for kind, count in soak.events.items() if count}
    assert seen == set(EventKind) - {EventKind.STATE_CANCEL_ONLY, EventKind.STATE_HALTED}
    assert len(soak.book) < 20_000


def test_soak_notices_growth() -> None:
    """Memory beyond the bound ends the run."""
    soak = Soak(commands=300_000, batch=4096, bound_bytes=-MIB)

    with pytest.raises(Leak, match="resident"):
        soak.run(quiet())
