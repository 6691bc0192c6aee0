"""Deterministic order flows, the ladder that sets the limit, and what each flow must end with."""

from .library import NAMES, Expectation, Workload, expected, from_folder, generated, ladder_seconds
from .native import LadderRun, NoCompiler, run_ladder
from .records import RECORD_DTYPE, Op, to_commands

__all__ = [
    "NAMES",
    "RECORD_DTYPE",
    "Expectation",
    "LadderRun",
    "NoCompiler",
    "Op",
    "Workload",
    "expected",
    "from_folder",
    "generated",
    "ladder_seconds",
    "run_ladder",
    "to_commands",
]
