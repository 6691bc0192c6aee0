"""The relay of outboxes, on real servers."""
