"""The controller process: compiles policies, publishes the routing table, and leads if it holds the lease.

Joins `publish`, `leader`, `events` and `state`; only `operations` stands above it.
Begin: `process.py`, one tick from top to bottom; `boot.py` is what it is told at its start.
"""
