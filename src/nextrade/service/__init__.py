"""Use cases and long-running programs. They know nothing of terminals or HTTP."""
