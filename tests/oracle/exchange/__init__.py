"""A slow and obvious exchange: what the real one is held against.

Accounts are dicts of Python integers, books are those of ``tests/oracle``, and money moves at each
event, one trade after the other. It shares no code with the package.
"""
