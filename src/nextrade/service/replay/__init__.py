"""Replay of order flow: readers, writers, the run itself and its report."""

from .agent import AGENT_IDS, AGENT_OWNER, Agent, View
from .lanes import Samples, Step
from .messages import MESSAGE_DTYPE, Action, Aggressors, Flag
from .readers import FORMATS, Flow, Recording, Source, open_source
from .report import Check, Report
from .run import DEFAULT_BATCH, MODES, Replay, replay
from .writers import WRITERS, Writer, open_writer

__all__ = [
    "AGENT_IDS",
    "AGENT_OWNER",
    "DEFAULT_BATCH",
    "FORMATS",
    "MESSAGE_DTYPE",
    "MODES",
    "WRITERS",
    "Action",
    "Agent",
    "Aggressors",
    "Check",
    "Flag",
    "Flow",
    "Recording",
    "Replay",
    "Report",
    "Samples",
    "Source",
    "Step",
    "View",
    "Writer",
    "open_source",
    "open_writer",
    "replay",
]
