"""Where the buckets are, when nobody can say so."""

import pytest

from nextrade.errors import LedgerUnavailable
from tests.redis_here import need_redis


def test_a_cluster_that_is_not_there_is_unavailable() -> None:
    """The client's own error, which is of no kind that it has elsewhere, does not come through."""
    need_redis()
    from nextrade.platform.redis_servers import free_port
    from nextrade.service.ledger.redis import ClusterShards

    nobody = f"127.0.0.1:{free_port()}"
    with pytest.raises(LedgerUnavailable, match=f"no Redis Cluster at .*{nobody}"):
        ClusterShards([nobody]).addresses()
