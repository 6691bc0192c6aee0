"""Where two exchanges differ, in words, and the shortest list of steps that shows it."""

from collections.abc import Sequence
from typing import Any

from tests.model.comparing import as_code, first_difference, smallest
from tests.model.exchange_streams import Batch, Money, Relist, Restart, Step, Together


def difference(expected: Any, actual: Any, step: Step) -> str:
    """Let both exchanges take one step. Answers with the first difference, or ''."""
    batches = batches_of(step)
    requests = [request for batch in batches for request in expected.requests(batch)]
    if isinstance(step, Money):
        ours = [expected.money(step)]
    elif isinstance(step, Relist):
        ours = [expected.relist(step)]
    elif batches:
        ours = expected.process(*batches)
    expected.check()
    try:
        found = ""
        if isinstance(step, Restart):
            actual.restart()
        elif isinstance(step, Money):
            found = first_difference("answer", ours, [actual.money(step)])
        elif isinstance(step, Relist):
            found = first_difference("answer", ours, [actual.relist(step)])
        else:
            asked = [request for batch in batches for request in actual.requests(batch)]
            found = first_difference("request", requests, asked)
            found = found or first_difference("event", ours, actual.process(*batches))
        if found:
            return found
        actual.check()
        return state_difference(expected, actual)
    # An exception of the real exchange is a difference like any other: it is to be made small.
    except Exception as error:  # noqa: BLE001
        return f"{type(error).__name__}: {error}"


def state_difference(expected: Any, actual: Any) -> str:
    """Compare all balances, the hold of every open order, the totals and the books."""
    return (
        first_difference(
            "balance", sorted(expected.balances().items()), sorted(actual.balances().items())
        )
        or first_difference("hold", expected.open_holds(), actual.open_holds())
        or first_difference(
            "total", sorted(expected.totals().items()), sorted(actual.totals().items())
        )
        or first_difference("hash of book", expected.book_hashes(), actual.book_hashes())
        or first_difference("client order id", expected.client_ids(), actual.client_ids())
    )


def batches_of(step: Step) -> tuple[Batch, ...]:
    """The batches of a step, in the order in which they reserve."""
    if isinstance(step, Together):
        return step
    return (step,) if isinstance(step, Batch) else ()


def one_by_one(steps: Sequence[Step]) -> list[Step]:
    """The same steps with a batch for each command."""
    apart: list[Step] = []
    for step in steps:
        apart += [
            Batch(batch.partition, (command,), (tier,), (1,), batch.texts[at : at + 1])
            for batch in batches_of(step)
            for at, (command, tier) in enumerate(zip(batch.commands, batch.tiers, strict=True))
        ]
        if isinstance(step, Money | Relist | Restart):
            apart.append(step)
    return apart


def shortest(steps: Sequence[Step], fails: Any) -> list[Step]:
    """As few steps as can be found that still fail, with single commands if these do."""
    apart = one_by_one(steps)
    return smallest(apart if fails(apart) else steps, fails)


def as_text(step: Step) -> str:
    """A step as Python that makes it."""
    if isinstance(step, Together):
        return f"Together({as_text(step.first)}, {as_text(step.second)})"
    if not isinstance(step, Batch):
        return repr(step)
    commands = ", ".join(as_code(command) for command in step.commands)
    texts = f", {step.texts}" if step.texts else ""
    return f"Batch({step.partition}, ({commands},), {step.tiers}, {step.frames}{texts})"
