"""The archiver process: this node's records, copied into object storage. Nobody waits for it.

`process.py` looks every few seconds what came and what went, and has it done by `records.archive.writer`. Only with
`archive` in the settings; needs the extra `crossfade[archive]`.
May import `records`. Begin: `process.py`.
"""
