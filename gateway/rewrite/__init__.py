"""The candidate's copy of a request, and its answer in the frontier's shape.

`request.py` makes the request, `answer.py` with `chat.py` and `responses.py` the answer; `problem.py` reads refusals.
May import `transport`, the light modules of `policies`, and `records.wire`; no I/O. Begin: `request.py`.
"""
