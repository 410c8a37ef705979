"""From journal rows to evidence events: joined by conversation, then kept until the leader has taken them.

`reader.py` reads rows, `join.py` joins requests with comparisons and feedback, `outbox.py` keeps what waits.
May import `journals` and `state`. Begin: `join.py`.
"""
