"""HTTP/1.1 both ways, on httptools: apps come in by `server.py`, upstreams are asked by `client.py`.

It knows bytes, limits and deadlines, and nothing of routes or candidates.
May import the hall and the light modules of `policies`.
Begin: `server.py` for what comes in, `client.py` for what goes out.
"""
