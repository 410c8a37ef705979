"""Export formats by name: the one place where each is listed. It imports nothing, so that `--help` may read it.

A new format is a row here and the module it names (docs/howto/add-an-export-format.md).
"""

from collections.abc import Mapping

MODULES: Mapping[str, str] = {
    "openai-sft": "records.dataset.openai_sft",
    "trl-sft": "records.dataset.trl_sft",
}
"""Name -> the module whose `FORMAT` says what is peculiar to it."""
FORMATS = tuple(MODULES)
