"""The demo, played once, as the picture in the README.

python tools/record_demo.py docs/pictures/demo.svg [--pace N]

What is drawn is what the demo printed: its moves, and one look at the gates on the way.
"""

import re
import subprocess
import sys
from html import escape
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LIMIT_S = 900.0
MOST_LINES = 40
_MOVE = re.compile(r" \d+:\d\d  (\S+ → \S+|ROLLBACK|REJECTED|a new revision)")
_CLOCK = re.compile(r" \d+:\d\d  ")
_COLORS = {"→": "#7ee787", "ROLLBACK": "#ff7b72", "REJECTED": "#ff7b72", "PASS": "#7ee787", "INCONCLUSIVE": "#e3b341"}
_STEP, _LETTER, _EDGE = 18, 8.4, 14


def main() -> int:
    """Play it, and write the picture; 1 if the demo failed."""
    command = ["crossfade", "demo", *sys.argv[2:]]
    played = subprocess.run(
        [Path(sys.executable).parent / command[0], *command[1:]],
        capture_output=True, text=True, timeout=LIMIT_S, check=False, cwd=ROOT,
    )  # fmt: skip
    if played.returncode:
        sys.stderr.write(played.stdout + played.stderr)
        return 1
    Path(sys.argv[1]).write_text(picture(["$ make demo", *chosen(played.stdout.splitlines())]), "utf-8")
    return 0


def chosen(lines: list[str]) -> list[str]:
    """Its moves, each with the lines that belong to it, and the look before the first."""
    found: list[str] = []
    look: list[str] = []
    keeps, has_look = False, False
    for line in lines:
        if _CLOCK.match(line):
            keeps = bool(_MOVE.match(line))
            if keeps and not has_look:
                found, has_look = [*found, *look, ""], True
            look = [] if keeps else [line]
        elif look:
            look.append(line)
        if keeps and line.strip():
            found.append(line)
    return found[:MOST_LINES]


def picture(lines: list[str]) -> str:
    """Lines of a terminal as SVG."""
    width = round(max(map(len, lines)) * _LETTER + 2 * _EDGE)
    height = len(lines) * _STEP + 2 * _EDGE
    rows = [_row(at, line) for at, line in enumerate(lines)]
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}"'
            ' font-family="ui-monospace, SFMono-Regular, Menlo, Consolas, monospace" font-size="14">',
            f'<rect width="{width}" height="{height}" rx="8" fill="#0d1117"/>',
            *rows,
            "</svg>\n",
        ]
    )


def _row(at: int, line: str) -> str:
    place = f'x="{_EDGE}" y="{_EDGE + _STEP * (at + 1) - 5}" fill="{_color(line)}" xml:space="preserve"'
    return f"<text {place}>{escape(line)}</text>"


def _color(line: str) -> str:
    return next((color for word, color in _COLORS.items() if word in line), "#c9d1d9")


if __name__ == "__main__":
    sys.exit(main())
