"""The function library that Redis runs for the ledger and for book stores.

The ``.lua`` files stand beside this one, at the top of the source tree, and are read with
``importlib.resources.files("nextrade.lua")``: here the functions, in ``include/`` what they
share. ``nextrade.service.ledger.redis.library`` puts them together.
"""
