"""Random calls against the store in plain lists."""

from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from nextrade import errors

from .homes import FOUNDING, PART_BYTES, Home
from .memory import MemoryBookStore

entries = st.binary(max_size=40)
snapshots = st.integers(1, 3 * PART_BYTES).map(lambda size: bytes([size % 256]) * size)
back = st.integers(-1, 3)


def outcome(call: Any) -> Any:
    """What a call returns, or the kind of its refusal."""
    try:
        return call()
    except (errors.NexTradeError, ValueError) as error:
        return type(error)


class Machine(RuleBasedStateMachine):
    """Two workers at one partition, each with the epoch that it was given last."""

    home: Home

    def __init__(self) -> None:
        super().__init__()
        self.model = MemoryBookStore()
        self.home.new()
        self.stores = [self.home.again(), self.home.again()]
        self.epochs = [1, 1]
        self.last: list[Any] = [None, None]

    def both(self, worker: int, name: str, *arguments: Any, **more: Any) -> Any:
        expected = outcome(lambda: getattr(self.model, name)(*arguments, **more))
        actual = outcome(lambda: getattr(self.stores[worker], name)(*arguments, **more))
        assert actual == expected, (name, arguments)
        return actual

    @rule(worker=st.integers(0, 1), founding=st.sampled_from([FOUNDING, FOUNDING, b"other"]))
    def found(self, worker: int, founding: bytes) -> None:
        self.both(worker, "found", 0, founding)

    @rule(worker=st.integers(0, 1))
    def acquire(self, worker: int) -> None:
        acquired = self.both(worker, "acquire", 0)
        if acquired is not errors.StoreError:
            self.epochs[worker] = acquired.epoch

    @rule(worker=st.integers(0, 1), entry=entries, ahead=st.sampled_from([1, 1, 1, 0, 2, -1]))
    def commit(self, worker: int, entry: bytes, ahead: int) -> None:
        batch = self.last_batch() + ahead
        self.last[worker] = (0, self.epochs[worker], batch, max(batch - 2, 0), entry)
        self.both(worker, "commit", *self.last[worker])

    @rule(worker=st.integers(0, 1))
    def repeat(self, worker: int) -> None:
        if self.last[worker]:
            self.both(worker, "commit", *self.last[worker])

    @rule(worker=st.integers(0, 1), behind=back)
    def clear(self, worker: int, behind: int) -> None:
        self.both(worker, "clear", 0, self.epochs[worker], max(self.last_batch() - behind, 0))

    @rule(worker=st.integers(0, 1), behind=back, snapshot=snapshots)
    def keep(self, worker: int, behind: int, snapshot: bytes) -> None:
        self.both(worker, "keep", 0, self.epochs[worker], self.last_batch() - behind, snapshot)

    def last_batch(self) -> int:
        return self.model.stores[0].last if 0 in self.model.stores else 0

    @invariant()
    def agrees(self) -> None:
        self.both(0, "look", 0)
        self.both(1, "look", 0, earlier=True)


def test_agrees_with_the_model(one_home: Home) -> None:
    """Whatever two workers call, in whatever order, the store answers as the model does."""

    class Here(Machine):
        home = one_home

    examples = settings().max_examples // 5
    run_state_machine_as_test(Here, settings=settings(max_examples=examples))
