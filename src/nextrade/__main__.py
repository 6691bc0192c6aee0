"""``python -m nextrade`` is the command ``nextrade``."""

from .cli import main

if __name__ == "__main__":
    main()
