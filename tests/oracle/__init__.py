"""A second, slow and obvious order book: what the compiled one is held against.

It follows docs/explanation/matching-rules.md and shares no code with the package.
"""
