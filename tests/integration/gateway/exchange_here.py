"""A small exchange on a real broker: takes frames, runs them, tells the events."""

from __future__ import annotations

import threading
import time
from typing import Any

import numpy as np
import pika

from nextrade import COMMAND_DTYPE, EVENT_DTYPE, LEVEL_DTYPE
from nextrade.domain.listings import Listings
from nextrade.domain.partition import Partition
from nextrade.domain.protocol.frames import FrameKind, Verdict, decode, identity_of
from nextrade.domain.protocol.messages import FRAME_ENTRY_DTYPE, write_messages
from nextrade.errors import BadFrame

POOR = 13
"""The account that has no money."""


class SmallWorker:
    """Runs one partition: every frame once, every order covered, but for those of POOR."""

    def __init__(self, parameters: Any, listings: Listings, number: int, prefix: str) -> None:
        self._listings, self._number, self._prefix = listings, number, prefix
        self._partition = Partition(listings, number)
        self._seen: set[int] = set()
        self.batch = 0
        self.order_ids: list[int] = []
        self.doubles = 0
        self._now_ns = 0
        self._stop = threading.Event()
        self._connection = pika.BlockingConnection(parameters)
        self._channel = self._connection.channel()
        self._channel.confirm_delivery()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def close(self) -> None:
        self._stop.set()
        self._thread.join()
        self._connection.close()

    def _run(self) -> None:
        while not self._stop.is_set():
            frames, tag = [], 0
            while len(frames) < 20:
                method, _, body = self._channel.basic_get(f"{self._prefix}.orders.{self._number}")
                if method is None:
                    break
                frames.append(body)
                tag = method.delivery_tag
            if not frames:
                self._connection.sleep(0.01)
                continue
            self._run_batch(frames)
            self._channel.basic_ack(tag, multiple=True)

    def _run_batch(self, bodies: list[bytes]) -> None:
        entries, commands = [], []
        for body in bodies:
            identity, verdict, records = identity_of(body), Verdict.RUN, 0
            try:
                frame = decode(body)
            except BadFrame as error:
                verdict = Verdict.UNDECODABLE
                self.bury(body, str(error))
            else:
                if frame.identity in self._seen:
                    self.doubles += 1
                    continue
                self._seen.add(frame.identity)
                if frame.kind in (FrameKind.COMMANDS, FrameKind.NAMED):
                    commands.append(frame.records)
                    records = len(frame.records)
            entries.append((identity, 0, records, verdict, 0))
        self.batch += 1
        self._now_ns = max(time.time_ns(), self._now_ns)
        batch = np.concatenate(commands) if commands else np.zeros(0, COMMAND_DTYPE)
        levels = np.zeros(0, LEVEL_DTYPE), np.zeros(0, np.uint32)
        if commands:
            batch["timestamp_ns"] = self._now_ns
            self.order_ids += batch["order_id"].tolist()
            asked = self._partition.reservations(batch)
            free = (asked.refusal == 0) & (batch["owner"] != POOR)
            outcome = self._partition.process(
                batch, np.zeros(len(batch), np.uint8), np.where(free, asked.amount, -1)
            )
            events, markets = outcome.events, outcome.markets
        else:
            events, markets = np.zeros(0, EVENT_DTYPE), np.zeros(0, np.uint32)
        told = np.array(entries, FRAME_ENTRY_DTYPE)
        for message in write_messages(
            self._number, self.batch, self._now_ns, told, events, markets, *levels
        ):
            self._publish("events", message)

    def bury(self, body: bytes, reason: str) -> None:
        headers = {"reason": reason, "time_ns": time.time_ns()}
        self._publish("dead", body, str(identity_of(body)), headers)

    def _publish(self, kind: str, body: bytes, name: str = "", headers: Any = None) -> None:
        self._channel.basic_publish(
            "",
            f"{self._prefix}.{kind}.{self._number}",
            body,
            pika.BasicProperties(delivery_mode=2, message_id=name, headers=headers),
            mandatory=True,
        )
