"""Processes that translate for an upstream which does not speak OpenAI's API. There is one: litellm's.

The only door to litellm. May import `transport`, `config`'s values and the hall (`clock`, `log`, `errors`, `process`).
Begin: `litellm.py`.
"""
