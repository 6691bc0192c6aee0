"""What the doctor says of RabbitMQ and the workers, each check on its own."""

import pytest

from nextrade.service import doctor_rabbit


@pytest.mark.parametrize(("needed", "state"), [(True, "wrong"), (False, "note")])
def test_rabbit_is_wrong_only_where_it_is_needed(needed: bool, state: str) -> None:
    """A program that is missing comes with the line that installs it."""
    lacking = "rabbitmq-server is not installed; install it with: apt-get install rabbitmq-server"
    found = doctor_rabbit.check_rabbit_program(lacking, needed=needed)

    assert (found.state, found.fix) == (state, "install it with: apt-get install rabbitmq-server")
    assert doctor_rabbit.check_rabbit_program("", needed=needed).state == "ok"


def test_the_broker_must_be_new_enough() -> None:
    """3.10 is, 3.9 is not, and neither is one that tells no version."""
    assert doctor_rabbit.check_version("host:1", "3.10.8").state == "ok"
    assert doctor_rabbit.check_version("host:1", "4.0.2").found == "4.0.2 at host:1"
    assert doctor_rabbit.check_version("host:1", "3.9.27").state == "wrong"
    assert doctor_rabbit.check_version("host:1", "").found == "unknown at host:1"


def test_an_alarm_is_wrong() -> None:
    """A broker that takes no messages stops the exchange."""
    assert doctor_rabbit.check_alarm(takes=False).state == "wrong"
    assert doctor_rabbit.check_alarm(takes=True).state == "ok"


def test_queues_that_differ() -> None:
    """What is missing is made by a worker; what is otherwise needs a person."""
    missing, other = "x.orders.0 is not there", "406 PRECONDITION_FAILED"
    assert doctor_rabbit.check_queues([], 2, "wrong").state == "ok"
    lacks = doctor_rabbit.check_queues([missing, missing], 2, "note")
    assert (lacks.state, lacks.found) == ("note", "x.orders.0 is not there; and 1 more")
    assert lacks.fix.startswith("nextrade stack up")
    differs = doctor_rabbit.check_queues([other], 2, "note")
    assert (differs.state, differs.found) == ("wrong", other)
    assert differs.fix.startswith("delete that queue")


def test_partitions_without_a_worker_are_named() -> None:
    """Every partition needs one."""
    assert doctor_rabbit.check_consumers({0: 1, 1: 2}, "wrong").state == "ok"
    idle = doctor_rabbit.check_consumers({0: 1, 1: 0, 2: 0}, "wrong")
    assert (idle.state, idle.found) == ("wrong", "none for partitions 1, 2")


def test_what_waits_is_noted() -> None:
    """A long queue and dead letters are notes."""
    assert doctor_rabbit.check_backlog({0: 10, 1: 0}).found == "10 frames wait"
    many = doctor_rabbit.check_backlog({0: 10, 1: 20_000})
    assert (many.state, "partition 1" in many.fix) == ("note", True)
    assert doctor_rabbit.check_dead_letters({0: 0}).state == "ok"
    assert doctor_rabbit.check_dead_letters({0: 2, 1: 1}).found == "3 wait"
