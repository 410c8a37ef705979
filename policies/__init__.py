"""Decides. Pure: no I/O, no clock, no randomness; `now` and seeds are arguments.

Three parts: the policy file (`schema.py`, `language/`, `lint.py`, `compile.py`, `describe.py`); which variant a request
gets (`matching.py`, `assignment.py`, `routing.py`, `request/`); when traffic moves (`evidence.py`, `stats.py`, `gates.py`,
`guards.py`, `rollout.py`, `explain.py`). Imports nothing of ours.
Begin: `rollout.py`, at `MOVES`; `terms.py` for the words.
"""
