"""What all nodes know together: rollouts, orders, decisions, the leader's lease. SQLite for one, Redis for more.

`port.py` is what both offer; `tests/contract/test_state.py` holds both to it. `seal.py` and `witness.py` keep others'
writes and old copies from counting. The lowest floor of the control plane: imports `config`, `node` and the hall.
Begin: `port.py`.
"""
