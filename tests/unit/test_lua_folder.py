"""The top-level ``lua/`` is importable as a package, in a checkout as in a wheel."""

from importlib.resources import files


def test_lua_is_part_of_the_package():
    """What stands in ``lua/`` can be read as a resource of ``nextrade.lua``."""
    names = {entry.name for entry in files("nextrade.lua").iterdir()}

    assert "__init__.py" in names
