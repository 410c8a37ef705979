"""What the fake frontier is asked and says."""

from typing import Any

TURNS: Any = [{"role": "user", "content": "Where is my card?"}]
SAID = "".join(f"frontier-0-{at} " for at in range(8))


def tool(name: str) -> Any:
    parameters = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
    return {"type": "function", "function": {"name": name, "description": name, "parameters": parameters}}
