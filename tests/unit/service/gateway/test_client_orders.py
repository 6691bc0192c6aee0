"""Client order ids at the gateway: checked, told in frames, files and events, and found again."""

from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nextrade import COMMAND_DTYPE, EVENT_DTYPE, LEVEL_DTYPE, CommandKind, EventKind
from nextrade.domain.client_order_ids import checked_text, names_of, names_within
from nextrade.domain.postings import KEPT_ID_DTYPE
from nextrade.domain.protocol.frames import NAME_DTYPE, FrameKind, decode, named_frame
from nextrade.domain.protocol.messages import (
    CLIENT_ORDER_DTYPE,
    FRAME_ENTRY_DTYPE,
    Message,
    read_message,
    write_messages,
)
from nextrade.errors import DataError
from nextrade.service.gateway.client_orders import ClientOrders
from nextrade.service.gateway.facts import ArrivalNames, facts_of
from nextrade.service.gateway.known import Reading
from nextrade.service.gateway.lane import Lane, Parcel
from nextrade.service.gateway.letters import Letter, in_full, renewed, summary
from nextrade.service.gateway.outcomes import Frames
from nextrade.service.gateway.sending import pieces_of_file
from nextrade.service.gateway.ticket import Ticket
from nextrade.service.gateway.words import read_named_line
from nextrade.service.listings_file import default_listings

LISTINGS = default_listings()
PLACE, CANCEL = CommandKind.PLACE, CommandKind.CANCEL


def commands(*kinds: CommandKind, order_id: int = 0) -> Any:
    """Commands of account 7; new orders have ids from 1 on."""
    made = np.zeros(len(kinds), COMMAND_DTYPE)
    made["kind"], made["owner"] = kinds, 7
    made["order_id"] = [k + 1 if kind == PLACE else order_id for k, kind in enumerate(kinds)]
    return made


@pytest.mark.parametrize("text", ["", "a b", "\u00e9", "x" * 37, b"a\0", "a\n"])
def test_ids_that_cannot_be(text: str | bytes) -> None:
    """Everything but 1 to 36 printable ASCII characters is refused, and said."""
    with pytest.raises(DataError, match="is no client order id: it has 1 to 36"):
        checked_text(text)
    assert checked_text("x" * 36) == checked_text(b"x" * 36) == b"x" * 36


def test_names_stand_beside_their_commands() -> None:
    """As a list or an array; what is empty has none; wrong numbers and commands are said."""
    both = commands(PLACE, PLACE, CANCEL)
    named = names_of(both, ["a", None, b"b"])
    assert named is not None
    assert named.tolist() == [(0, b"a"), (2, b"b")]
    again = names_of(both, np.array([b"a", b"", b"b"]))
    assert again is not None
    assert again.tobytes() == named.tobytes()
    assert names_of(both, None) is None
    assert names_of(both, ["", None, ""]) is None
    with pytest.raises(DataError, match="2 client order ids for 3 commands"):
        names_of(both, ["a", "b"])
    with pytest.raises(DataError, match="command 1 is about no order"):
        names_of(commands(PLACE, CommandKind.MASS_CANCEL), ["a", "b"])
    inside = names_within(named, np.array([1, 2]))
    assert inside is not None
    assert inside.tolist() == [(1, b"b")]
    assert names_within(named, np.array([1])) is None


def kept(accounts: Any, texts: Any) -> Any:
    """A ledger that knows one id."""
    found = np.zeros(len(accounts), KEPT_ID_DTYPE)
    found["order"] = [99 if key == (7, b"old") else 0 for key in zip(accounts, texts, strict=True)]
    return found


def test_changes_find_their_orders() -> None:
    """What the ledger keeps goes first, then what was sent; for others nothing is guessed."""
    orders = ClientOrders(kept)
    batch = commands(PLACE, CANCEL, CANCEL)
    placed, unknown = orders.resolve(batch, names_of(batch, ["new", "new", "old"]))
    assert placed is not None
    assert placed.tolist() == [(0, b"new")]
    assert not len(unknown)
    assert batch["order_id"].tolist() == [1, 1, 99]
    later = commands(CANCEL)
    assert orders.resolve(later, names_of(later, ["new"]))[0] is None
    assert later["order_id"].tolist() == [1]
    strange = commands(CANCEL, CANCEL)
    assert orders.resolve(strange, names_of(strange, ["new", "who"]))[1].tolist() == [1]
    assert strange["order_id"].tolist() == [1, 0]
    twice = commands(CANCEL, order_id=5)
    with pytest.raises(DataError, match="command 0 has an order id and a client order id"):
        orders.resolve(twice, names_of(twice, ["old"]))
    alone = commands(CANCEL)
    assert ClientOrders(None).resolve(alone, names_of(alone, ["old"]))[1].tolist() == [0]


def test_frames_have_names_only_where_there_are_some() -> None:
    """Names follow their commands into a frame of several parcels."""
    lane, identities = Lane(3, window=9), count(1)
    name = np.array([(1, b"a")], NAME_DTYPE)
    for names in (None, name, name):
        batch = commands(PLACE, PLACE)
        lane.add(Parcel(Ticket(3, np.arange(2), 0), batch, listings=4, names=names))
    lane.add(Parcel(Ticket(3, np.arange(1), 0), commands(PLACE), listings=5))
    first, second = (lane.next_frame(identities.__next__) for _ in range(2))

    assert first is not None
    assert second is not None
    frame = decode(first.body)
    assert (frame.kind, frame.listings, len(frame.records)) == (FrameKind.NAMED, 4, 6)
    assert frame.names.tolist() == [(3, b"a"), (5, b"a")]
    assert decode(second.body).kind == FrameKind.COMMANDS


def test_lines_have_ids() -> None:
    """A line may name its own order, or the one that it changes; not both ways, and no nonsense."""
    order = b'"account": 7, "market": "BTC-USDT"'
    buy = b'{%s, "side": "buy", "price": "1", "quantity": "1", "client_order_id": "a-1"}' % order
    assert read_named_line(LISTINGS, buy)[1] == b"a-1"
    cancel = b'{"do": "cancel", %s, "client_order_id": %%s}' % order
    command, text = read_named_line(LISTINGS, cancel % b'"a-1"')
    assert (command["order_id"].tolist(), text) == ([0], b"a-1")
    for wrong, said in (
        (cancel % b"5", "client_order_id is a text, not 5"),
        (cancel % b'"a b"', "is no client order id"),
        (cancel % b'"a", "order_id": 4', "name the order by one of them"),
        (b'{"do": "mass_cancel", %s, "client_order_id": "a"}' % order, "says nothing of a mass"),
    ):
        with pytest.raises(DataError, match=said):
            read_named_line(LISTINGS, wrong)


def test_a_csv_file_has_a_column_of_ids(tmp_path: Path) -> None:
    """Its ids stand beside the commands, also such as no number may be; others are said."""
    pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    path = tmp_path / "x.csv"
    path.write_text("kind,client_order_id,owner\nPLACE,0x1,7\nPLACE,,7\nCANCEL,b\tc,7\n")
    with pytest.raises(DataError, match=r"line 4: column client_order_id: .* is not a client"):
        list(pieces_of_file(LISTINGS, path))
    path.write_text("kind,client_order_id,owner\nPLACE,0x1,7\nPLACE,,7\nCANCEL,b,7\n")
    (piece,) = pieces_of_file(LISTINGS, path)

    assert piece.client_order_ids is not None
    assert piece.client_order_ids.tolist() == [b"0x1", b"", b"b"]
    assert piece.commands["owner"].tolist() == [7, 7, 7]


def test_dead_letters_keep_names() -> None:
    """They are shown with their commands, and sent again with them."""
    name = np.array([(0, b"a-1")], NAME_DTYPE)
    letter = Letter(3, 1, named_frame(3, 9, commands(PLACE, CANCEL), name, 6), {}, 1)

    shown = in_full(LISTINGS, letter)["commands"]
    assert [one.get("client_order_id") for one in shown] == ["a-1", None]
    assert summary(letter) == "1 PLACE, 1 CANCEL"
    partition, identity, body = renewed(letter, lambda: 10)
    again = decode(body)
    assert (partition, identity, again.identity, again.listings) == (3, 10, 10, 6)
    assert (again.kind, again.names.tolist()) == (FrameKind.NAMED, [(0, b"a-1")])


def batch_of(number: int, frames: int, *kinds: EventKind, goes_on: bool = False) -> Message:
    """A batch of these events of order 5, whose client order id comes with its frame."""
    entries = np.zeros(frames, FRAME_ENTRY_DTYPE)
    entries["identity"], entries["records"] = 11, 1
    events = np.zeros(len(kinds), EVENT_DTYPE)
    events["kind"], events["order_id"] = kinds, 5
    ids = np.array([(5, 7, b"a-1")] if frames else [], CLIENT_ORDER_DTYPE)
    none = np.zeros(0, LEVEL_DTYPE), np.zeros(0, np.uint32)
    markets = np.zeros(len(kinds), np.uint32)
    (message,) = write_messages(
        0, number, 5, entries, events, markets, *none, goes_on=goes_on, ids=ids
    )
    return read_message(message)


def test_events_of_an_arrival_say_the_id() -> None:
    """Also where they come in a batch that goes on with another one; a trade does not say it."""
    names, reading = ArrivalNames(), Reading(LISTINGS)
    first = batch_of(1, 1, EventKind.TRADE, goes_on=True)
    second = batch_of(2, 0, EventKind.ACCEPTED)
    told = [fact for one in (first, second) for fact in facts_of(reading, one, None, names)]

    assert [fact.get("client_order_id") for fact in told] == [None, "a-1"]
    frames = Frames()
    outcomes = [one for message in (first, second) for one in frames.fold(message)]
    assert [one.ids.tolist() for one in outcomes] == [[(5, 7, b"a-1")]] * 2
