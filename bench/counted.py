"""One pass of the book or the ladder for an instruction counter; see instructions.py.

Runs under valgrind, so it loads arrays that were prepared outside and does nothing else.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from .workloads import native


def main() -> None:
    """Process the given file once between the marks that switch counting on and off."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("engine", choices=("book", "ladder"))
    parser.add_argument("file", type=Path, help=".npy of commands (book) or records (ladder)")
    parser.add_argument("--batch", type=int, default=4096)
    parser.add_argument("--capacity", type=int, default=0)
    chosen = parser.parse_args()
    array = np.load(chosen.file)
    if chosen.engine == "ladder":
        native.run_ladder(array, plain=True, counted=True)
        return
    from nextrade import OrderBook  # here, so that the ladder can be counted without a book

    cut = [array[at : at + chosen.batch] for at in range(0, len(array), chosen.batch)]
    process = OrderBook(capacity=chosen.capacity).process
    marks = native.library(plain=True)
    marks.count_start()
    for commands in cut:
        process(commands)
    marks.count_stop()


if __name__ == "__main__":
    main()
