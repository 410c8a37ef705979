"""Training files out of the records: which exchanges are fit, their lines, their splits, their card.

`example.py` makes an example or says why there is none, `formats/` has one file a format, `check.py` looks at files,
`filters.py`, `caps.py`, `near.py`, `contamination.py` and `poisoning.py` choose and check rows, `lesson.py` says what
is learned of one, `build.py` writes, `difference.py` compares two. May import `records`.
Begin: `build.py`; a new format: docs/howto/add-an-export-format.md.
"""
