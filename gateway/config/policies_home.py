"""Where policy files lie when the settings do not say: `crossfade-policies`, beside the settings.

Earlier versions read `policies`, which in a clone of Crossfade is a Python package. That folder is still read while it
alone holds policy files, so that an upgrade changes no route. `crossfade doctor` and the log say so.
"""

from pathlib import Path

DEFAULT = Path("crossfade-policies")
EARLIER = "policies"
"""The default of earlier versions."""
SUFFIXES = (".yaml", ".yml")
"""How a policy file's name ends."""


def policy_files(folder: Path) -> list[Path]:
    """The policy files of a folder, by name; none where there is no folder."""
    return sorted(path for path in folder.glob("[!.]*") if path.suffix in SUFFIXES)


def unstated(folder: Path) -> Path:
    """The folder that is read when the settings name none: `folder`, or the earlier default if it alone has files."""
    earlier = folder.with_name(EARLIER)
    return earlier if policy_files(earlier) and not policy_files(folder) else folder


def note(folder: Path, *, stated: bool) -> str:
    """What to tell somebody who still has the earlier default, with what to do; empty: nothing.

    `folder` is the one that is read; `stated`: the settings name it.
    """
    default, earlier = folder.with_name(DEFAULT.name), folder.with_name(EARLIER)
    hint = f"hint: move them to {default}, or write `policies: ./{EARLIER}` into crossfade.yaml"
    if folder == earlier and not stated:
        return f"policy files are read from {earlier}, the default of earlier versions. {hint}"
    if folder == default and (left := policy_files(earlier)):
        return f"{earlier} holds {len(left)} policy files, which are not read. {hint}"
    return ""
