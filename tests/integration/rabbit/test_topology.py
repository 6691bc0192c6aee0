"""The table of queues against a broker: made, compared, deleted."""

from typing import Any

import pytest

from nextrade.errors import BusRefused

from ...rabbit_here import Look, target_of


def test_what_is_declared_is_found_so(broker: Any, prefix: str) -> None:
    """Declaring may be repeated; afterwards nothing differs; deleted queues are missed by name."""
    from nextrade.service.topology import Topology

    topology, target = Topology(prefix), target_of(broker)
    missing = topology.check(target, [0])
    topology.declare(target, [0, 1])
    topology.declare(target, [0, 1])

    assert len(missing) == 5
    assert f"{prefix}.ledger is not there" in missing
    assert f"{prefix}.orders.0 is not there" in missing
    assert topology.check(target, [0, 1]) == []
    assert set(topology.depths(target, [1]).values()) == {0}
    topology.delete(target, [1])
    assert topology.check(target, [0]) == []
    assert len(topology.check(target, [1])) == 4


def test_a_queue_of_another_kind_is_told(broker: Any, prefix: str) -> None:
    """A queue with other arguments is refused when declared, and named when looked at."""
    from nextrade.service.topology import Topology

    topology, target = Topology(prefix), target_of(broker)
    with Look(target) as look:
        look.declare(topology.orders(3))

    with pytest.raises(BusRefused, match=f"PRECONDITION_FAILED.*{prefix}.orders.3"):
        topology.declare(target, [3])
    assert any("inequivalent arg" in one for one in topology.check(target, [3]))
