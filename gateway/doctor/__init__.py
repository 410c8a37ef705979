"""What `crossfade doctor` checks: each check gives results, and each result says what to do.

May import `control`, `node`, `config`. Begin: `checks.py`; `state.py` looks at the shared state,
`otel.py` at the collector of traces.
"""
