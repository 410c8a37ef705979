"""The shadow process: asks candidates what apps asked, unseen, and has the answers compared.

`runner.py` works off what is owed (`owed.py`), `model.py` speaks to upstreams, `comparers.py` makes comparators ready,
`engines.py` looks at queues so that real work does not wait. The rules of comparing are in the package `shadow`.
May import `row_maker`, `prices`, `journals`, `events`. Begin: `process.py`, then `runner.py`.
"""
