"""A value that fits a JSON Schema: what a model under a schema would answer."""

from typing import Any


def example(schema: Any, root: Any = None) -> Any:
    """The simplest value that `schema` allows; the same one each time."""
    root = schema if root is None else root
    if not isinstance(schema, dict):
        return "value"
    if "$ref" in schema:
        return example(_resolve(schema["$ref"], root), root)
    for key in ("const", "default"):
        if key in schema:
            return schema[key]
    if schema.get("enum"):
        return schema["enum"][0]
    for key in ("anyOf", "oneOf", "allOf"):
        if schema.get(key):
            return example(schema[key][0], root)
    return _by_type(schema, root)


def _by_type(schema: dict[str, Any], root: Any) -> Any:
    kind = schema.get("type", "object" if "properties" in schema else "string")
    kind = kind[0] if isinstance(kind, list) else kind
    match kind:
        case "object" | "dict":
            return {name: example(part, root) for name, part in (schema.get("properties") or {}).items()}
        case "array":
            return [example(schema.get("items", {}), root)]
        case "integer" | "number":
            return schema.get("minimum", 1)
        case "boolean":
            return True
        case "null":
            return None
        case _:
            return "x" * schema.get("minLength", 0) or "value"


def _resolve(reference: str, root: Any) -> Any:
    found = root
    for part in reference.removeprefix("#/").split("/"):
        found = found[part]
    return found
