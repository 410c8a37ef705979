"""Whether the data plane that this installation runs is compiled: the same sources, at less CPU."""

import importlib.util


def is_compiled() -> bool:
    """Whether its modules are of machine code; False: Python's interpreter runs them."""
    found = importlib.util.find_spec("gateway.transport.server")
    return found is not None and found.origin is not None and not found.origin.endswith(".py")
