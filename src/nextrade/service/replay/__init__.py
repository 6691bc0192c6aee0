"""Replay of order flow: readers, writers, the run itself and its report."""

from .agent import AGENT_IDS, AGENT_OWNER, Agent, View
from .lanes import Samples, Step
from .messages import MESSAGE_DTYPE, Aggressors, DepthRows, Part
from .messages import Action as MessageAction
from .messages import Flag as MessageFlag
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
    "Agent",
    "Aggressors",
    "Check",
    "DepthRows",
    "Flow",
    "MessageAction",
    "MessageFlag",
    "Part",
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
