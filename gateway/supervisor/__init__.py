"""The parent of all processes: it owns the listening sockets, starts the others, and restarts them.

1. The sockets outlive every process that serves from them: no death, reload or upgrade refuses a connection.
2. Secrets go to a child over an inherited pipe, never by argument, environment or file.
3. Nothing outlives the supervisor: the kernel kills its children when it dies.
4. What it answers by itself (`/healthz`, `/readyz`, the live part of `/metrics`) needs no other process.

May import everything but `cli` and `demo`. Begin: `process.py`; `programs.py` says what each child is told,
`upstream_keys.py` which keys.
"""
