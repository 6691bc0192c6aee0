"""Fuzzing of the compiled book: arbitrary bytes in, every promise checked after each batch."""
