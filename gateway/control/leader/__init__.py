"""What the one leading node does: takes in evidence, decides, writes it down, and tells.

`evaluation.py` asks the pure core (`policies`), `persistence.py` keeps it, `announce.py` and `webhooks.py` tell.
The order of moves in `leader.py` is a promise: write first, then act. May import `publish`, `events`, `state`.
Begin: `leader.py`.
"""
