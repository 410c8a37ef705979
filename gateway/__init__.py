"""Serves: everything that runs. The data plane answers apps; the control plane decides beside it.

The data plane is `proxy`, `rewrite` and `transport`; the control plane is `control` and `admin`. They share two files,
the routing table and the journal, and do not import each other. `supervisor` starts both; `cli` is what people type.
May import `shadow`, `records` and `policies`; nobody imports `gateway`. Floors: `gateway-rooms` in pyproject.toml.
Begin: `proxy/life.py` for a request, `control/leader/leader.py` for a decision, `supervisor/programs.py` for who runs.
"""
