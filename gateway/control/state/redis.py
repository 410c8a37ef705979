"""The shared state of several nodes, on Redis or Valkey: records sealed with the nodes' own key, changes by WATCH.

No script runs on the server, so the gateway's user needs no right to EVAL. Two things keep one history:
- the fencing epoch is a sealed record that every write of a leader watches: a leader that was overtaken while it slept
  finds its EXEC refused;
- versions and epochs only rise: what is behind the newest copy a node has seen is put back (`newest`).
"""

from gateway.control.state.port import Counts
from gateway.control.state.redis_events import Events
from gateway.control.state.redis_messages import RedisMessages
from gateway.control.state.redis_rollouts import Rollouts


class RedisState(Rollouts, Events, RedisMessages):
    """`SharedState` on a server. It connects when first used, and anew after a failure: it may be down at the start."""

    def counts(self) -> Counts:
        """As `SharedState` says (`port.py`)."""
        return Counts(refused=self._seal.refused, restored=self._restored, forgot=self._forgot)

    def close(self) -> None:
        """As `SharedState` says (`port.py`)."""
        self._link.close()
        self._newest.close()
