"""Publishing for real: confirmed, refused, lost with the connection, sent again."""

import time
from collections.abc import Iterator
from typing import Any

import pytest

from nextrade.errors import BusLost, BusRefused

from ...rabbit_here import Look, eventually, target_of


@pytest.fixture
def connection(broker: Any) -> Iterator[Any]:
    """A connection that is tested."""
    from nextrade.platform.rabbit.connection import RabbitConnection

    with RabbitConnection(target_of(broker), "test") as found:
        found.wait_open(10)
        yield found


@pytest.fixture
def publisher(connection: Any) -> Any:
    """A publisher with a small window."""
    from nextrade.platform.rabbit.publisher import Publisher

    found = Publisher(connection, window=50)
    found.wait_ready(10)
    return found


def test_what_is_confirmed_is_there(publisher: Any, look: Look, prefix: str) -> None:
    """More messages than the window, confirmed: all are in the queue, in order, as they were."""
    queue = look.declare(prefix)
    sent = [
        publisher.send(queue, b"%d" % number, f"id-{number}", {"number": number})
        for number in range(200)
    ]
    for future in sent:
        future.result(10)

    found = look.drain(queue)
    assert [body for _, body in found] == [b"%d" % number for number in range(200)]
    assert [properties.message_id for properties, _ in found] == [f"id-{n}" for n in range(200)]
    assert {properties.delivery_mode for properties, _ in found} == {2}
    assert found[7][0].headers["number"] == 7


def test_no_queue_is_a_refusal(publisher: Any, look: Look, prefix: str) -> None:
    """A message without a queue fails with its name; those before and after it arrive."""
    queue = look.declare(prefix)
    before = publisher.send(queue, b"before", "1")
    nowhere = publisher.send(f"{prefix}-nowhere", b"lost", "1")
    after = publisher.send(queue, b"after", "1")

    with pytest.raises(BusRefused, match=f"message 1: no queue {prefix}-nowhere"):
        nowhere.result(10)
    assert (before.result(10), after.result(10)) == (None, None)
    assert [body for _, body in look.drain(queue)] == [b"before", b"after"]


def test_a_full_queue_does_not_take_it(publisher: Any, look: Look, prefix: str) -> None:
    """A queue that refuses what is too much for it makes the message fail as lost: try again."""
    queue = look.declare(prefix, x_max_length=1, x_overflow="reject-publish")
    outcomes = {type(publisher.send(queue, b"", "1").exception(10)) for _ in range(20)}

    assert outcomes == {type(None), BusLost}


def test_a_lost_connection_fails_what_was_not_confirmed(
    connection: Any, publisher: Any, look: Look, prefix: str
) -> None:
    """Every message ends; those confirmed are in the queue; the connection comes back by itself."""
    queue = look.declare(prefix)
    sent = [publisher.send(queue, b"%d" % number, str(number)) for number in range(3000)]
    sent[200].result(10)
    connection.disconnect("for a test")
    outcomes = [future.exception(10) for future in sent]

    lost = [error for error in outcomes if error is not None]
    assert lost
    assert {type(error) for error in lost} == {BusLost}
    assert "for a test" in str(lost[0])
    eventually(lambda: publisher.is_ready)
    assert publisher.send(queue, b"again", "x").result(10) is None
    there = {body for _, body in look.drain(queue)}
    confirmed = {b"%d" % number for number, error in enumerate(outcomes) if error is None}
    assert confirmed <= there
    assert b"again" in there


def test_a_closed_channel_is_opened_again(publisher: Any, look: Look, prefix: str) -> None:
    """A channel that the broker closes fails what is on its way, and publishing goes on."""
    queue = look.declare(prefix)
    publisher._connection.call(lambda: publisher._channel.basic_ack(99))
    eventually(lambda: not publisher.is_ready)
    with pytest.raises(BusLost, match="406"):
        publisher.send(queue, b"", "1").result(10)

    eventually(lambda: publisher.is_ready)
    assert publisher.send(queue, b"", "1").result(10) is None


def test_a_failure_on_the_thread_is_a_lost_connection(
    connection: Any, publisher: Any, look: Look, prefix: str
) -> None:
    """The client may raise out of its loop: then a new connection is made, and nothing hangs."""
    queue = look.declare(prefix)

    def fail() -> None:
        raise ConnectionResetError("a stream that broke where nobody thought of it")

    for _ in range(3):
        connection.call(fail)
        eventually(lambda: not publisher.is_ready)
        eventually(lambda: publisher.is_ready)
        assert publisher.send(queue, b"", "1").result(10) is None


def test_a_loop_that_breaks_while_it_is_closed_leaves_no_socket(connection: Any) -> None:
    """The client closes sockets a little later than it is told to, even if it ends by then."""
    link = connection._connection._transport._sock

    def last() -> None:
        connection.close()
        raise ConnectionResetError("a stream that broke when it was no longer wanted")

    connection.call(last)
    eventually(lambda: not connection._thread.is_alive())

    assert link.fileno() == -1


def test_after_closing_everything_fails(connection: Any, publisher: Any) -> None:
    """A closed connection stays closed, and says so."""
    connection.close()

    with pytest.raises(BusLost, match="closed"):
        publisher.send("x", b"", "1").result(0)
    assert not connection.is_open


def test_what_amqp_has_no_form_for_is_an_error_at_once(publisher: Any) -> None:
    """Too long a name, or a header of a strange type, is the caller's mistake."""
    with pytest.raises(ValueError, match="message 1 to"):
        publisher.send("x" * 300, b"", "1")
    with pytest.raises(ValueError, match="message 1 to x"):
        publisher.send("x", b"", "1", {"a": object()})
    assert publisher.is_ready


@pytest.mark.parametrize(
    ("changes", "kind", "said"),
    [
        ({"password": "wrong"}, BusRefused, "refuses 'nextrade'.*ACCESS_REFUSED"),
        ({"username": "guest", "password": "guest"}, BusRefused, "refuses 'guest'"),
        ({"vhost": "elsewhere"}, BusRefused, "vhost elsewhere not found"),
        ({"addresses": ("127.0.0.1:1",)}, BusLost, "127.0.0.1:1: Connection refused"),
    ],
)
def test_who_cannot_connect_is_told_why(
    broker: Any, changes: dict[str, Any], kind: type[Exception], said: str
) -> None:
    """The reason is in the error: a login, a virtual host, nobody there."""
    from nextrade.platform.rabbit.connection import RabbitConnection

    with (
        RabbitConnection(target_of(broker, **changes), "test") as refused,
        pytest.raises(kind, match=said),
    ):
        refused.wait_open(1)


def test_the_next_address_is_tried(broker: Any) -> None:
    """Of several nodes one that answers is found."""
    from nextrade.platform.rabbit.connection import RabbitConnection

    target = target_of(broker, addresses=("127.0.0.1:1", broker.address))
    with RabbitConnection(target, "test") as found:
        found.wait_open(10)

        assert found.is_open


def test_an_attempt_that_fails_twice_is_made_up_for_once(broker: Any) -> None:
    """The client may say that a connection is lost, and then break its loop over the same loss:
    one new connection is made. A second would never be closed.
    """
    from nextrade.platform.rabbit.connection import RabbitConnection

    made, lost = [], []

    class Tenant:
        def connected(self, connection: Any) -> None:
            made.append(connection)

        def lost(self, error: BusLost) -> None:
            lost.append(error)

        def eased(self) -> None:
            pass

    def fail(*_: Any) -> None:
        raise RuntimeError("broken on purpose")

    with RabbitConnection(target_of(broker), "twice") as connection:
        connection.wait_open(10)
        connection.add(Tenant())
        eventually(lambda: made)
        connection.call(lambda: made[0].add_on_close_callback(fail))
        connection.disconnect("a test")
        eventually(lambda: len(made) == 2)
        assert [str(error) for error in lost][-1].endswith("broken on purpose")
        time.sleep(0.5)
        assert len(made) == 2
    assert all(one.is_closed for one in made)
