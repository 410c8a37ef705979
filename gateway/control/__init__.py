"""The control plane: what follows the journals, decides, records and compares. No app ever waits for it.

One folder a process: `controller` (publishes, leads), `recorder` (writes records), `shadow` (asks candidates unseen),
`exporter` (traces, if they are asked for), `archiver` (a copy of the records, likewise).
They use `journals`, `events`, `state`, `publish`, `leader`; `operations` has what people ask and order.
May import everything below `admin` but the data plane (`proxy`). Floors inside: `control-rooms` in pyproject.toml.
Begin: `controller/process.py`, then `leader/leader.py`.
"""
