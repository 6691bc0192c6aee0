"""The compiled book against the oracle, on generated commands."""
