"""The work of the leading node: collects evidence, decides, stores the decision, announces it.

`evaluation.py` asks the pure core (`policies`), `persistence.py` keeps it, `announce.py` and `webhooks.py` tell.
The order of moves in `leader.py` is a promise: write first, then act. May import `publish`, `events`, `state`.
Begin: `leader.py`.
"""
