"""Seeded synthetic order flow: the same model, length and seed give the same commands anywhere."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ...dtypes import COMMAND_DTYPE
from ..replay.readers.source import Commands
from .flow import stream
from .models import MODELS, Model

__all__ = ["MODELS", "Model", "generate", "generate_batches"]


def generate_batches(model: str, commands: int, seed: int = 1) -> Iterator[Commands]:
    """The commands of ``generate`` in batches, in memory that does not grow with their number.

    Raises ValueError for an unknown model, a negative number of commands, or a seed
    outside 0 to 2**64 - 1.
    """
    if model not in MODELS:
        raise ValueError(f"there is no model {model!r}; known are {', '.join(MODELS)}")
    if commands < 0:
        raise ValueError(f"commands must not be negative, as {commands} is")
    if not 0 <= seed < 2**64:
        raise ValueError(f"seed must be from 0 to 2**64 - 1, not {seed}")
    return stream(MODELS[model], commands, seed)


def generate(model: str = "calm", commands: int = 100_000, seed: int = 1) -> Commands:
    """Synthetic order flow as one array of COMMAND_DTYPE, ready for ``OrderBook.process``.

    Models: ``calm``, ``heavy-cancel``, ``sweep``, ``deep-book``, ``opening-auction``,
    ``day``. Only whole-number arithmetic is used: a seed gives the same bytes on every
    machine. A small part of the commands is refused by the book (a cancel of what has
    traded meanwhile), as it is in life. Raises ValueError as ``generate_batches``.
    """
    batches = list(generate_batches(model, commands, seed))
    if not batches:
        return np.zeros(0, dtype=COMMAND_DTYPE)
    return np.concatenate(batches)
