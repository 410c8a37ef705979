"""The only reader of time. Everything else takes `now` as an argument."""

import time

wall = time.time  # noqa: TID251 -- this is the one place
"""Unix seconds: for records, leases and what people read."""

monotonic = time.monotonic  # noqa: TID251 -- this is the one place
"""Seconds that never jump: for durations and deadlines."""
