"""The parts of the policy schema: what a person may write, each with its unit, its default and its meaning.

`base.py` is what sections share, `amounts.py` reads durations and shares, `compare.py` has the comparators' options,
`gates.py` gates, guards and rollback. Imports nothing of ours. Begin: `policies/schema.py`, which joins them.
"""
