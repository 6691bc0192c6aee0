"""What the doctor says of changes outside batches that wait to be published."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ..errors import NexTradeError
from ..platform.settings import Settings
from .doctor_rabbit import is_meant, workers_run
from .finding import Finding

MANY_WAITING = 1_000
"""A worker publishes more than that in a moment; so if more wait, something is in its way."""


def examine_outboxes(settings: Settings) -> Iterator[Finding]:
    """Look at the outboxes of a ledger; a broker is asked only if many changes wait."""
    try:
        from .home.waiting import waiting_changes

        waiting = waiting_changes(settings)
    except NexTradeError:  # said of each server that was looked at
        return
    if sum(waiting.values()) <= MANY_WAITING:
        yield check_outboxes(waiting)
    elif not is_meant(settings):
        yield check_outboxes(waiting, relays=None)
    else:
        yield check_outboxes(waiting, relays=workers_run(settings))


def check_outboxes(waiting: Mapping[str, int], relays: bool | None = True) -> Finding:
    """Changes do not pile up on the servers. ``relays``: None if there are to be no queues."""
    count = sum(waiting.values())
    found = f"{count} changes wait to be published"
    if count <= MANY_WAITING:
        return Finding("outboxes", "ok", found)
    if relays is None:
        fix = "they fill the servers' memory: set rabbit = true in [stack], or [rabbit] addresses"
        return Finding("outboxes", "note", f"{found}, and there are no queues", fix)
    if not relays:
        fix = (
            "nextrade stack up, or nextrade worker --all; until then they fill the servers' memory"
        )
        return Finding("outboxes", "note", f"{found}, and no worker does it", fix)
    worst = max(waiting, key=lambda name: waiting[name])
    fix = f"most at {worst}: look again soon; if they grow, the log of the workers says why"
    return Finding("outboxes", "note", found, fix)
