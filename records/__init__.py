"""Remembers: the formats on the wire and on disk, redaction, prices, datasets.

`wire` reads answers, `journal` is what workers append, `record.py` is one row and `record_maker.py` how it is made,
`parquet.py` and `store.py` keep rows, `dataset` makes training files of them, `trace_context.py` reads an app's trace,
`evaluation` keeps what is never trained on, `readiness.py` says whether training is due.
Imports nothing of ours, `policies` included. Begin: `record.py`.
"""
