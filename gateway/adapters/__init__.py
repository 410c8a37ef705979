"""Doors to heavy libraries, each of which is an extra and is loaded only where it is asked for.

`litellm.py` is a process that translates for an upstream which does not speak OpenAI's API; `ray_data.py` runs offline
work on Ray. May import `transport`, `config`'s values and the hall (`clock`, `log`, `errors`, `process`).
Begin: `litellm.py`.
"""
