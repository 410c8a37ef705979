"""Comparators: one module each, from a pair of answers to a score. Pure: no I/O, no clock.

`pair.py` is what they get and give, `answer.py` reads an answer. May import `records.wire` and values of `policies`.
Begin: `json_fields.py`; a new one: docs/howto/add-a-comparator.md.
"""
