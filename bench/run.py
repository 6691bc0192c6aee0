"""Entry point of ``make bench``; ``python bench/run.py --help`` lists the options."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.ladder_table import main

if __name__ == "__main__":
    sys.exit(main())
