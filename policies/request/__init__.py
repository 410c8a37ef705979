"""What routing reads of a request's body: once, in bounded time, whatever its size.

Compiled with the data plane; plain classes only (docs/adr/005). Imports nothing of ours but `policies.terms`.
Begin: `body.py`; `shapes.py` has the structs it is decoded into, `abridge.py` cuts long text.
"""
