"""Reads answers as they came over the wire: events, usage, errors, and the whole answer out of a stream.

Pure and light: no I/O, and workers load it. Imports nothing of ours. Begin: `sse.py`, then `assemble.py`.
"""
