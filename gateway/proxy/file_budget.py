"""How many connections the files that the system lets a worker open are good for.

A request needs two, its app's and its upstream's. Apps that are merely connected must not take all of them: the next
request would find no upstream, and that would count as the upstream's failure.
"""

import resource
import sys
from typing import Final, NamedTuple

from gateway.transport.limits import Limits

OWN_FILES: Final = 64
"""What a worker opens besides: its journal, its counters, its listening sockets, and what is about to close."""


class FileBudget(NamedTuple):
    """Most connections of a worker."""

    apps: int
    upstreams: int


def raised_file_limit() -> int:
    """How many files this process may open, once that is as many as it may have."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    return sys.maxsize if most == resource.RLIM_INFINITY else most


def file_budget(files: int, limits: Limits, *, idle: int) -> FileBudget:
    """How `files` are shared out. `idle`: connections to upstreams that are kept unused, at most."""
    left = max(2, files - OWN_FILES)
    upstreams = min(limits.in_flight + idle, (left + 1) // 2)
    return FileBudget(min(limits.connections, left - upstreams), upstreams)
