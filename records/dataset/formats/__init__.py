"""Export formats: each file here is one, named as the format is (`trl_sft.py` is `trl-sft`). Nothing else lists them.

A file gives its `FORMAT`, a `records.dataset.format.TrainingFormat`. May import `records`. Begin: `trl_sft.py`; a new
one: docs/howto/add-an-export-format.md. Importing this loads no format: the command line takes `FORMATS` from here.
"""

import importlib
import pkgutil
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from records.dataset.format import TrainingFormat

FORMATS: tuple[str, ...] = tuple(sorted(module.name.replace("_", "-") for module in pkgutil.iter_modules(__path__)))
"""The names of all, sorted."""


def format_named(name: str) -> "TrainingFormat":
    """The format of this name.

    Raises:
        ValueError: there is none.
    """
    if name not in FORMATS:
        raise ValueError(f"{name!r} is no export format. hint: there are {', '.join(FORMATS)}")
    return importlib.import_module(f"{__name__}.{name.replace('-', '_')}").FORMAT
