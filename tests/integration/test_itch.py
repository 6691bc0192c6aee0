"""The ITCH 5.0 file of three invented stocks: every message is read, and the counts are right."""

import gzip
from collections import Counter
from pathlib import Path

import numpy as np

from nextrade.service.replay.messages import Action
from nextrade.service.replay.readers import open_source
from nextrade.service.replay.readers.itch import Itch
from nextrade.service.replay.readers.source import BadRecords

from ..recorded import recorded_one

FILE = "*ITCH_50.gz"


def test_every_message_is_read() -> None:
    """12,012 messages by action: 12 replacements count twice, 6 about no stock are left out."""
    recording = open_source(recorded_one("itch", FILE))
    assert isinstance(recording, Itch)
    messages = np.concatenate([part.messages for part in recording.parts()])

    assert Counter(messages["action"].tolist()) == {
        Action.ADD: 4_997 + 3 + 12,
        Action.FILL: 198,
        Action.REDUCE: 45,
        Action.CANCEL: 1_745 + 12,
        Action.HIDDEN: 5_000,
        Action.NOTE: 12 - 6,
    }
    assert recording.markets == ["ALC", "BOB", "CHAR"]
    assert recording.remarks() == ["117 messages name an order that is not open"]
    assert int(np.count_nonzero(messages["flags"] == 0)) == 12


def test_places_lead_to_the_types() -> None:
    """The byte at each record's place is the letter of its type; no time steps back."""
    path = recorded_one("itch", FILE)
    data = np.frombuffer(gzip.decompress(path.read_bytes()), np.uint8)
    messages = np.concatenate([part.messages for part in Itch(path, BadRecords()).parts()])
    letters = {
        Action.ADD: b"AFU",
        Action.FILL: b"EC",
        Action.REDUCE: b"X",
        Action.CANCEL: b"DUX",
        Action.HIDDEN: b"P",
        Action.NOTE: b"RH",
    }
    for action, kinds in letters.items():
        found = data[messages["place"][messages["action"] == action]]
        assert set(found.tolist()) <= set(kinds)
    assert (np.diff(messages["timestamp_ns"]) >= 0).all()


def test_twice_the_file_with_lengths(tmp_path: Path) -> None:
    """The same messages behind their lengths, and the file twice, give the same records again."""
    path = recorded_one("itch", FILE)
    data = gzip.decompress(path.read_bytes())
    lengths = {"S": 12, "R": 39, "H": 25, "A": 36, "F": 40, "E": 31, "X": 23, "D": 19, "U": 35}
    lengths["P"] = 44
    announced = []
    position = 0
    while position < len(data):
        length = lengths[chr(data[position + 2])]
        announced.append(length.to_bytes(2, "big") + data[position + 2 : position + 2 + length])
        position += 2 + length
    twice = tmp_path / "twice"
    twice.write_bytes(b"".join(announced) * 2)
    once = np.concatenate([part.messages for part in Itch(path, BadRecords()).parts()])
    both = np.concatenate([part.messages for part in Itch(twice, BadRecords()).parts()])

    assert np.array_equal(both[: len(once)], once)
    assert np.array_equal(both["place"][len(once) :], once["place"] + len(data))
    for field in ("timestamp_ns", "order_id", "market", "action", "flags"):
        assert np.array_equal(both[field][len(once) :], once[field])
