"""The gateway: how commands come to the queues of their partitions, and their events back.

``Gateway`` sends, ``Feed`` follows the streams of events, ``Frames`` and ``Orders`` fold them.
"""

from .feed import Feed, News
from .follower import Follower
from .gateway import Gateway
from .outcomes import FrameOutcome, Frames, Orders, OrderState
from .scheduler import Scheduler
from .ticket import Confirmed, Submission, Ticket

__all__ = [
    "Confirmed",
    "Feed",
    "Follower",
    "FrameOutcome",
    "Frames",
    "Gateway",
    "News",
    "OrderState",
    "Orders",
    "Scheduler",
    "Submission",
    "Ticket",
]
