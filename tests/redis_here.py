"""Redis servers for the tests: started on free ports, in temporary folders, stopped by pid.

Where redis-server is not installed, what needs it is skipped; where the variable CI is set it
fails instead, so that no run on a build machine leaves it out unnoticed.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

MISSING = "redis-server is not installed (Debian: apt-get install redis-server)"


def need_redis() -> None:
    """Skip the test, or fail it in CI, where there is no server or no client for it."""
    if sys.platform == "win32":
        pytest.skip("there is no redis-server for Windows")
    from nextrade.errors import MissingExtra

    try:
        from nextrade.platform import redis_servers
    except MissingExtra as error:
        reason = str(error)
    else:
        if redis_servers.program() is not None:
            return
        reason = MISSING
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


@contextmanager
def running(folder: Path, count: int = 3, cluster: bool = False) -> Iterator[list]:
    """Run so many servers, joined into a cluster if asked; stop them in the end."""
    need_redis()
    from nextrade.platform.redis_servers import RedisServer, join_cluster

    servers = [
        RedisServer(folder / f"shard-{place}", appendfsync="everysec", cluster=cluster)
        for place in range(1, count + 1)
    ]
    try:
        for server in servers:
            server.start()
        if cluster:
            join_cluster(servers)
        yield servers
    finally:
        for server in servers:
            server.stop()
