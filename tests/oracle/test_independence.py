"""The oracle stands on its own."""

import ast
from pathlib import Path


def test_the_oracle_imports_nothing_of_what_it_judges() -> None:
    """No module of the oracle imports the package."""
    for path in Path(__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.level == 0:
                assert (node.module or "").split(".")[0] != "nextrade", path
            elif isinstance(node, ast.Import):
                assert all(alias.name.split(".")[0] != "nextrade" for alias in node.names), path
