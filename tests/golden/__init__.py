"""Frozen results of seeded command streams."""
