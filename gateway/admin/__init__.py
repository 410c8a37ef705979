"""The admin API, for programs and the console: what is in force, what was recorded, why, and an operator's orders.

`*views.py` are the answers' shapes; `rollouts.py`, `exchanges.py`, `figures.py`, `labels.py` (pages: `label_pages.py`),
`judges.py`, `report.py` and `system.py` fill them, `queries.py` asks the records with a deadline; `auth.py`,
`guard.py` and `sessions.py` check who may ask, `problems.py` has the errors.
May import `control`, `node`, `config` and below; never the data plane (`proxy`). Begin: `api.py`.
"""
