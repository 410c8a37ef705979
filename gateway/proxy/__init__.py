"""The data plane: what happens to a request in a worker process.

It reads one file (the routing table) and appends to another (the journal); there is nothing it could wait for.
May import `rewrite`, `transport`, the hall, and the light modules of `policies` and `records`; never `control`.
Begin: `life.py`, one exchange from head to end; then `worker.py`, what a worker holds, and `admit.py`.
"""
