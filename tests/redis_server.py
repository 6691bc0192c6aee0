"""Real Redis servers for tests: started by them, in folders of their own.

Where redis-server is missing the tests that need it are skipped and say what to install; in
CI (the variable ``CI`` is set) that is a failure, so that they cannot go missing unnoticed.
"""

import os

import pytest

from nextrade.platform.redis_program import missing


def need_redis() -> None:
    """Skip the test, or in CI fail it, where no redis-server can be started."""
    if reason := missing():
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
