"""Parts of a work on Ray Data (the extra `ray`): on all processors of this machine, or of a cluster.

Where a cluster is named (`RAY_ADDRESS`), its machines need the same Crossfade and the same folders, on a shared volume.
Else Ray is started here for as long as this process lives, without its dashboard, whose jobs API asks nobody for a key
(CVE-2023-48022). It reports its use to nobody.

Results come in the order of the parts. Who takes them slowly holds the parts back: Ray keeps a few blocks ahead.

Source: docs.ray.io, Ray Data, `ExecutionOptions.preserve_order` and `Dataset.map_batches` with a generator.
"""

import importlib
import logging
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

_Part = TypeVar("_Part")
_Result = TypeVar("_Result")
_SETTINGS = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}
"""No report of its use; and no warning in each process of how a later Ray will hide accelerators."""


class RayError(Exception):
    """There is no Ray here, it does not start, or it lost a part. The message says what to do."""


@dataclass(frozen=True)
class _Packed:
    """A part, a result or an error, as one value of a column: Ray would take a list in it for an array."""

    content: Any
    is_error: bool = False


def run_on_ray(work: Callable[[_Part], Iterable[_Result]], parts: Iterable[_Part]) -> Iterator[_Result]:
    """What each part gives, in the order of the parts: a `records.parts.PartRunner`.

    Raises:
        RayError: it cannot be done there. What the work itself raises comes as it is.
    """
    packed = [{"part": _Packed(part)} for part in parts]
    if not packed:
        return
    ray = _started()
    context = ray.data.DataContext.get_current()
    context.execution_options.preserve_order = True
    context.enable_progress_bars = False  # the command shows its own
    source = ray.data.from_items(packed, override_num_blocks=len(packed))
    try:
        for row in source.map_batches(_do, fn_args=(work,), batch_size=1).iter_rows():
            result: _Packed = row["result"]
            if result.is_error:
                raise result.content
            yield result.content
    except ray.exceptions.RayError as error:
        raise RayError(f"Ray lost a part: {_first_line(error)}. hint: has each machine enough memory?") from error


def processors() -> int:
    """How many parts are done at once.

    Raises:
        RayError: there is no Ray to ask.
    """
    return max(1, int(_started().cluster_resources().get("CPU", 1)))


def _do(batch: dict[str, Any], work: Callable[[Any], Iterable[Any]]) -> Iterator[dict[str, list[_Packed]]]:
    """Do one part, on whichever machine this runs. An error is a result: nobody tries again what would fail again."""
    _hush()  # this is another process; Ray tells each part that its columns are no numbers
    (part,) = batch["part"]
    try:
        for result in work(part.content):
            yield {"result": [_Packed(result)]}
    except Exception as error:  # noqa: BLE001 -- it is raised where the results are taken
        yield {"result": [_Packed(error, is_error=True)]}


def _started() -> Any:
    """Ray, with a cluster to ask.

    Raises:
        RayError: there is none.
    """
    for name, value in _SETTINGS.items():
        os.environ.setdefault(name, value)
    try:
        ray: Any = importlib.import_module("ray")
        importlib.import_module("ray.data")
    except ModuleNotFoundError as error:
        raise RayError('this needs Ray. hint: install the extra `ray` (README, "Install")') from error
    _hush()
    if not ray.is_initialized():
        try:
            ray.init(include_dashboard=False, logging_level=logging.ERROR)
        except Exception as error:  # of no kind of its own where a node is not there within Ray's 30 s
            hint = "hint: is this machine busy, or does RAY_ADDRESS name a cluster that is gone?"
            raise RayError(f"Ray does not start: {_first_line(error)} {hint}") from error
    return ray


def _hush() -> None:
    """Let Ray say nothing but errors: what it says stands between the command's own lines."""
    for name in ("ray", "ray.data"):
        logging.getLogger(name).setLevel(logging.ERROR)


def _first_line(error: BaseException) -> str:
    return str(error).strip().partition("\n")[0] or type(error).__name__
