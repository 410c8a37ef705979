"""The state that all nodes share: rollouts, orders, decisions, the leader's lease. SQLite for one, Redis for several.

`port.py` is their interface; `tests/contract/test_state.py` tests both against it. `seal.py` and `witness.py`
keep others' writes and old copies from counting. The lowest floor of the control plane:
imports `config`, `node` and the hall.
Begin: `port.py`.
"""
