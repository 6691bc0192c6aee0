"""Replay of order flow: readers, writers, the run itself and its report."""
