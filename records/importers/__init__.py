"""Other systems' logs -> records, so that data starts before the gateway did.

`reading.py` reads an export row by row, `sources/` has one file a system, `imported.py` is what such a file makes of a
row, `intake.py` makes records of that, once each. May import `records`. Begin: `intake.py`; a new system:
docs/howto/add-an-importer.md.
"""
