"""Decides. Pure: no I/O, no clock, no randomness; `now` and seeds are arguments.

Three parts. The policy file: `schema.py`, `language/`, `lint.py`, `compile.py`, `describe.py`. Which variant a request
gets: `matching.py`, `assignment.py`, `routing.py`, `upstream_kinds.py`, `request/`. When traffic moves: `evidence.py`,
`stats.py`, `gates.py`, `guards.py`, `rollout.py`, `explain.py`. Imports nothing of ours.
Begin: `rollout.py`, at `MOVES`; `terms.py` for the words.
"""
