"""Remembers: the formats on the wire and on disk, redaction, prices, datasets.

`wire` reads answers, `journal` is what workers append, `record.py` is one row and `record_maker.py` how it is made,
`parquet.py` and `store.py` keep rows, `importers` reads other systems' logs, `dataset` makes training files of them,
`evaluation` keeps what is never trained on, `readiness.py` says whether training is due, `trace_context.py` reads the
trace an app is in.
Imports nothing of ours, `policies` included. Begin: `record.py`.
"""
