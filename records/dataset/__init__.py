"""Training files out of the records: which exchanges are fit, their lines, their splits, their card.

`sft.py` makes an example in its format or says why there is none, `check.py` looks at files, `build.py` writes.
May import `records`. Begin: `build.py`; a new format: docs/howto/add-an-export-format.md.
"""
