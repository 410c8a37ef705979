"""The admin API, for programs and the console: what is in force, what was kept and why, and an operator's word.

`*views.py` say what is shown; `rollouts.py`, `exchanges.py`, `figures.py`, `labels.py` (pages: `label_pages.py`),
`judges.py`, `report.py` and `system.py` read it, `queries.py` asks the records with a deadline; `auth.py`,
`guard.py` and `sessions.py` are who may ask, `problems.py` what goes wrong.
May import `control`, `node`, `config` and below; never the data plane (`proxy`). Begin: `api.py`.
"""
