"""The recorder process: from the journals to records in Parquet, each exchange once, priced and redacted.

Its order of commits is a promise: a record is on disk before the journal's place moves on. `tally.py` counts metrics.
May import `row_maker`, `prices`, `journals`, `events`, `state`. Begin: `process.py`.
"""
