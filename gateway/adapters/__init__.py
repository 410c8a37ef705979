"""Processes that stand for an upstream which does not speak OpenAI's API; litellm's is the one there is.

The only door to litellm. May import `transport`, `config`'s values and the hall (`clock`, `log`, `errors`, `process`).
Begin: `litellm.py`.
"""
