"""The admin process: the HTTP API for people and scripts, behind the supervisor's admin port.

`views.py` says what is shown, `rollouts.py` and `exchanges.py` are pages of it, `auth.py` is who may ask.
May import `control`, `node`, `config` and below; never the data plane (`proxy`).
Begin: `api.py`.
"""
