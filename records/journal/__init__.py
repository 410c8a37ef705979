"""The journal, the only source of what happened: a worker appends to segments, `journal/<worker>/<n>.seg`.

1. A frame is in the page cache before the last bytes of its answer go to the app: killing the process loses nothing.
   `fdatasync`, every 20 ms and off the loop, bounds what a power failure can take.
2. Nothing waits for the reader, and nothing the disk does reaches the app: what cannot be kept is counted (`Gap`).
3. A reader needs no cooperation: a torn tail is cut, a damaged frame skipped and counted, never a refusal to start.
4. Segments are encrypted (AES-GCM, a key each, derived from the data directory's): they hold raw prompts.
Light: workers load it. Begin: `frames.py`, then `writer.py` and `reader.py`.
"""
