"""A policy language of one line."""

from gateway.control.publish.policy_folder import Compiled, PolicyTextError
from policies.routing import Route, Variant


def compile_text(text: str, name: str) -> Compiled:
    """A policy language of one line: `<priority> <route>`."""
    try:
        priority, route = text.split()
        return Compiled(int(priority), Route(route, Variant("openai")))
    except ValueError as error:
        raise PolicyTextError(f"{name}:1:1: not good") from error
