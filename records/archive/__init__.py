"""The archive: a copy of every node's records in object storage, so that one reader has what all nodes recorded.

    <archive>/<node>/manifest.json                                    what holds every row of the node once
    <archive>/<node>/<table>/date=YYYY-MM-DD/<file>.<stamp>.parquet   never changed once it is there

- `bucket.py`: object storage behind five verbs. `manifest.py`: the list, and names.
- `writer.py`: a node's own folder follows its records. `reader.py`: all folders, into a directory here.

May import `records`. Begin: `manifest.py`, then `writer.py`.
"""
