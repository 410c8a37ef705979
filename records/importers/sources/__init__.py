"""Systems whose logs are imported: each file here is one, named as the system is. Nothing else lists them.

A file gives `exchanges(row)`, a `records.importers.imported.ReadRow`. May import `records`. Begin: `openpipe.py`; a new
one: docs/howto/add-an-importer.md. Importing this loads none of them: the command line takes `SOURCES` from here.
"""

import importlib
import pkgutil
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from records.importers.imported import ReadRow

SOURCES: tuple[str, ...] = tuple(sorted(module.name for module in pkgutil.iter_modules(__path__)))
"""The names of all, sorted."""


def source_named(name: str) -> "ReadRow":
    """What reads the rows of this system.

    Raises:
        ValueError: there is none.
    """
    if name not in SOURCES:
        raise ValueError(f"nothing is imported from {name!r}. hint: there are {', '.join(SOURCES)}")
    return importlib.import_module(f"{__name__}.{name}").exchanges
