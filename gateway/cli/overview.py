"""What `crossfade --help` says: commands by what one wants to do, and two examples to begin with."""

from collections.abc import Mapping

GROUPS: dict[str, tuple[str, ...]] = {
    "Begin": ("init", "doctor", "serve", "demo", "completion"),
    "See": ("status", "top", "explain", "savings", "report", "routes", "readiness"),
    "Steer": ("promote", "hold", "resume", "rollback", "kill", "policy", "keys"),
    "Records": ("records", "label", "dataset", "rebuild"),
    "The next candidate": ("train", "eval", "replay"),
}
"""Every command in one of them, in the order in which one meets them."""
EXAMPLES = """\
Examples:
  crossfade init && crossfade doctor && crossfade serve
  crossfade explain support-triage          # why it is where it is
"""
_NAME = 12


def overview(summaries: Mapping[str, str]) -> str:
    """The page; `summaries` are the commands' own lines."""
    lines = [
        "usage: crossfade [-h] [--version] COMMAND ...",
        "",
        "Move an app's OpenAI traffic to your own model, as fast as the evidence allows.",
    ]
    for title, names in GROUPS.items():
        lines += ["", f"{title}:", *(f"  {name:<{_NAME}}{summaries[name]}" for name in names)]
    lines += ["", EXAMPLES + "", "`crossfade COMMAND --help` lists the options of a command. Docs: docs/README.md", ""]
    return "\n".join(lines)
