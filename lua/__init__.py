"""The function library that Redis runs for the ledger and the book store.

The ``.lua`` files stand beside this one, at the top of the source tree, and are read with
``importlib.resources.files("nextrade.lua")``. There are none yet.
"""
