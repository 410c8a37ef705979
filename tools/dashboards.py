"""Write deploy/grafana/dashboards from what stands here, or check that the files are what this says.

python tools/dashboards.py [--check]
"""

import sys
from pathlib import Path

from tools.boards import BOARDS
from tools.dashboard_rows import ROWS
from tools.grafana import Query, Variable, dashboard
from tools.panels import HERE, ROUTE

FOLDER = Path(__file__).parents[1] / "deploy" / "grafana" / "dashboards"

VARIABLES = (
    Variable("job", "label_values(crossfade_build_info, job)"),
    Variable("instance", 'label_values(crossfade_build_info{job=~"$job"}, instance)'),
    Variable("route", f"label_values(crossfade_requests_total{{{HERE}}}, route)"),
    Variable("gate", f"label_values(crossfade_gate_limit{{{ROUTE}}}, gate)"),
)
MOVES = Query(
    f"sum by (route, outcome) (increase(crossfade_decisions_total{{{ROUTE}}}[1m])) > 0", "{{route}}: {{outcome}}"
)


def pages() -> dict[str, str]:
    """Every dashboard's file and text."""
    made = {"crossfade.json": dashboard("crossfade", "Crossfade", VARIABLES, [row() for row in ROWS], MOVES)}
    for name, (title, rows, own) in BOARDS.items():
        uid = f"crossfade-{name}"
        made[f"{uid}.json"] = dashboard(uid, title, (*VARIABLES[:-1], *own), [row() for row in rows], MOVES)
    return made


def main() -> int:
    """Write the files. 1: `--check`, and they are not what this says."""
    check = sys.argv[1:] == ["--check"]
    stale = [
        name
        for name, text in pages().items()
        if not (FOLDER / name).exists() or (FOLDER / name).read_text("utf-8") != text
    ]
    for name in stale:
        if check:
            print(f"{FOLDER / name} is not what tools/dashboards.py makes. hint: python tools/dashboards.py")
        else:
            FOLDER.mkdir(parents=True, exist_ok=True)
            (FOLDER / name).write_text(pages()[name], "utf-8")
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
