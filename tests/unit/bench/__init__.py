"""Tests of what measures the book."""
