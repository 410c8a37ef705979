"""Refuse a test that stands in the wrong room.

python tools/check_mirror.py

1. `tests/unit` mirrors the tree: `gateway/a/b.py` is tested by `tests/unit/gateway/a/test_b.py`, and nothing else is
   in there. A module without a unit test is in `ELSEWHERE`, with where it is tested and why.
2. What is imported by another file is no test file, and no `conftest.py`.
3. Imports go one way: `fakes` import only `fakes`; `rooms`, the shared set-ups, also `fakes`; `unit` and `contract`
   only these two; no room imports `unit`, `contract` or `integration`.
"""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

PACKAGES = ("gateway", "policies", "records", "shadow")
SHARED = {"fakes", "rooms"}
MAY_IMPORT = {
    "fakes": {"fakes"},
    "rooms": SHARED,
    "unit": SHARED,
    "contract": SHARED,
    "project": SHARED,
    "integration": SHARED | {"faults"},
    "faults": SHARED | {"faults"},
    "acceptance": SHARED | {"faults", "acceptance"},
}
"""For each room of `tests/` those that it may import from."""

BOOTS = "tests/integration starts the process: the file puts its parts together and decides nothing"
TYPES = "types alone: whoever uses them tests them"
STORES = "tests/contract runs one suite over every store, on real servers"
COMMANDS = "tests/unit/gateway/cli/test_main.py tries each command by its words"
IMPORTERS = "tests/unit/records/importers/sources/test_sources.py reads an export of every system"
FORMATS = "tests/unit/records/dataset/formats/test_formats.py tries every format"
PAGES = "tests/unit/gateway/console/test_app.py asks for each page, each form and each twin"
ELSEWHERE = {
    "gateway/adapters/boot.py": BOOTS,
    "gateway/admin/boot.py": BOOTS,
    "gateway/admin/figure_views.py": TYPES,
    "gateway/admin/guard.py": "tests/unit/gateway/admin/test_api.py asks for each page without the right to it",
    "gateway/admin/label_views.py": TYPES,
    "gateway/admin/problems.py": "tests/unit/gateway/admin/test_api.py meets each of them",
    "gateway/admin/view_pages.py": "tests/unit/gateway/console/test_views.py keeps and removes views over the API, too",
    "gateway/admin/readiness_views.py": "tests/unit/gateway/admin/test_api.py asks for the page",
    "gateway/admin/views.py": "tests/unit/gateway/admin/test_api.py asks for each page",
    "gateway/clock.py": "three readings of the system's clocks",
    "gateway/config/settings_file.py": "tests/unit/gateway/config/test_settings.py reads every setting through it",
    "gateway/console/ask.py": PAGES,
    "gateway/console/foot.py": PAGES,
    "gateway/console/pages.py": PAGES,
    "gateway/console/server.py": BOOTS,
    "gateway/console/tables.py": PAGES,
    "gateway/console/traffic.py": PAGES,
    "gateway/control/archiver/boot.py": BOOTS,
    "gateway/control/controller/boot.py": BOOTS,
    "gateway/control/controller/status.py": "tests/integration/test_loop.py reads what it says at each step",
    "gateway/control/exporter/boot.py": BOOTS,
    "gateway/control/journals/follower.py": "tests/unit/gateway/control/journals/test_tail.py follows through it",
    "gateway/control/leader/announce.py": "tests/integration/test_loop.py reads what is announced at each move",
    "gateway/control/operations/rebuild.py": "tests/integration/test_rebuild.py rebuilds what a loop left",
    "gateway/control/prices.py": "tests/integration/test_recorder.py reads the prices off the records",
    "gateway/control/publish/policy_terms.py": "tests/unit/gateway/control/publish/test_policy_compiler.py",
    "gateway/control/recorder/boot.py": BOOTS,
    "gateway/control/row_maker.py": "tests/integration/test_recorder.py makes every row through it",
    "gateway/control/shadow/boot.py": BOOTS,
    "gateway/control/shadow/process.py": "tests/integration/test_shadow.py",
    "gateway/control/shadow/runner.py": "tests/integration/test_shadow.py runs it over real journals",
    "gateway/control/state/port.py": TYPES,
    "gateway/control/state/redis.py": STORES,
    "gateway/control/state/redis_base.py": STORES,
    "gateway/control/state/redis_events.py": STORES,
    "gateway/control/state/redis_link.py": STORES,
    "gateway/control/state/redis_messages.py": STORES,
    "gateway/control/state/redis_rollouts.py": STORES,
    "gateway/doctor/checks.py": COMMANDS,
    "gateway/proxy/app.py": "tests/unit/gateway/proxy/test_life.py is asked through it",
    "gateway/proxy/boot.py": BOOTS,
    "gateway/proxy/ports.py": TYPES,
    "gateway/proxy/request_facts.py": "tests/unit/gateway/proxy/test_candidate.py and test_life.py",
    "gateway/rewrite/choice_progress.py": "tests/unit/gateway/rewrite/test_answer.py streams calls in every form",
    "gateway/rewrite/chat.py": "tests/unit/gateway/rewrite/test_answer.py reads both surfaces",
    "gateway/rewrite/responses.py": "tests/unit/gateway/rewrite/test_answer.py reads both surfaces",
    "gateway/rewrite/shapes.py": TYPES,
    "gateway/rewrite/surface.py": "tests/unit/gateway/rewrite/test_answer.py reads both surfaces",
    "gateway/control/row_inputs.py": TYPES,
    "policies/finding_words.py": "tests/unit/policies/test_first_sentence.py reads every sentence of it",
    "gateway/training/token_mask.py": "tests/unit/gateway/training/test_inside_call.py asks for what it cannot have",
    "gateway/supervisor/running.py": "tests/integration/test_supervisor.py",
    "gateway/supervisor/upstream_keys.py": "tests/unit/gateway/supervisor/test_programs.py hands every key over",
    "gateway/supervisor/sockets.py": "tests/integration/test_supervisor.py hands sockets over",
    "gateway/node/journal_lag.py": "tests/unit/gateway/cli/test_status.py reads it off a recorder's page",
    "gateway/node/supervisor_status.py": "tests/integration/test_supervisor.py reads it",
    "gateway/transport/failure.py": TYPES,
    "gateway/transport/guard.py": "tests/unit/gateway/transport/test_server.py",
    "gateway/transport/limits.py": TYPES,
    "gateway/transport/outgoing.py": "tests/unit/gateway/transport/test_client.py sends through it",
    "policies/request/shapes.py": TYPES,
    "policies/results.py": TYPES,
    "policies/terms.py": TYPES,
    "records/comparison.py": TYPES,
    "records/dataset/format.py": FORMATS,
    "records/dataset/parquet_file.py": "tests/integration/test_dataset.py builds and checks Parquet",
    "records/dataset/messages.py": "tests/unit/records/dataset/test_check.py breaks each of its rules",
    "records/dataset/build.py": "tests/integration/test_dataset.py builds from real records",
    "records/dataset/manifest.py": "tests/integration/test_dataset.py reads it",
    "records/erasure.py": "tests/unit/records/test_store.py and test_feedback.py forget by it",
    "records/exchange.py": TYPES,
    "records/record.py": TYPES,
    "records/wire/event.py": TYPES,
    "shadow/compare/pair.py": TYPES,
    "shadow/ports.py": TYPES,
    "shadow/scorer.py": "tests/integration/test_scorer.py runs it with a real child process",
}
"""Modules whose unit test is elsewhere, and where."""
RECIPES = "tests/acceptance/test_training.py trains with each; tests/unit/gateway/training/test_render.py reads them"
ELSEWHERE_IN = {
    "gateway/cli": COMMANDS,
    "records/dataset/formats": FORMATS,
    "records/importers/sources": IMPORTERS,
    "gateway/training/recipes": RECIPES,
    "gateway/training/inside": RECIPES,
}
"""Folders of which every module may be tested together."""


def out_of_place(root: Path) -> Iterator[str]:
    """What of the unit tests has no module, and which module has no unit test."""
    modules = {
        path.relative_to(root)
        for package in PACKAGES
        for path in (root / package).rglob("*.py")
        if path.name != "__init__.py"
    }
    tested: set[Path] = set()
    for path in sorted((root / "tests" / "unit").rglob("*.py")):
        where = path.relative_to(root / "tests" / "unit")
        if path.name in {"__init__.py", "conftest.py"} or where.parent.as_posix() in ELSEWHERE_IN:
            continue
        module = where.with_name(path.name.removeprefix("test_"))
        if not path.name.startswith("test_"):
            yield f"{path.relative_to(root)}: no test: shared set-ups are in tests/rooms, stand-ins in tests/fakes"
        elif module not in modules:
            yield f"{path.relative_to(root)}: there is no {module}: what spans modules is in tests/project"
        tested.add(module)
    for module in sorted(modules - tested):
        if module.as_posix() not in ELSEWHERE and module.parent.as_posix() not in ELSEWHERE_IN:
            yield f"{module}: no unit test at tests/unit/{module.with_name('test_' + module.name)}"
    for name in sorted(ELSEWHERE):
        if Path(name) not in modules - tested:
            yield f"tools/check_mirror.py: {name} is gone or has its unit test: take it off ELSEWHERE"


def imports(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Each import of the tests' own modules: its line, and the module's name in parts."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        yield from ((node.lineno, name.split(".")) for name in names if name.startswith("tests."))


def wrong_ways(root: Path) -> Iterator[str]:
    """Each import that goes from one room of the tests into another where it may not."""
    for path in sorted((root / "tests").rglob("*.py")):
        room = path.relative_to(root / "tests").parts[0]
        for line, parts in imports(path):
            where = f"{path.relative_to(root)}:{line}: {'.'.join(parts)}"
            if any(part.startswith("test_") or part == "conftest" for part in parts[2:] if part.islower()):
                yield f"{where} is a test file: what others need of it belongs into tests/rooms"
            elif room in MAY_IMPORT and parts[1] not in MAY_IMPORT[room]:
                yield f"{where}: tests/{room} may import {', '.join(sorted(MAY_IMPORT[room]))} only"


def main(root: Path = Path()) -> int:
    """Print what is out of place; 1 if anything is."""
    found = [*out_of_place(root), *wrong_ways(root)]
    print("\n".join(found), end="\n" if found else "")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
