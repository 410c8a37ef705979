"""Get a real Prometheus and its promtool without root: Debian's package, unpacked under .cache.

    python tools/prometheus.py [.cache/prometheus]

`prometheus` and `promtool` on the PATH are used as they are. A second run does nothing.
"""

import shutil
import subprocess
import sys
from pathlib import Path

HOME = Path(__file__).parents[1] / ".cache" / "prometheus"
PROGRAMS = ("prometheus", "promtool")


def found(name: str, home: Path = HOME) -> Path | None:
    """The program, if it is here."""
    for path in (home / "usr" / "bin" / name, Path(shutil.which(name) or "/nowhere")):
        if path.exists():
            return path
    return None


def get(home: Path = HOME) -> str | None:
    """Download and unpack what is missing; says what could not be had."""
    if all(found(name, home) for name in PROGRAMS):
        return None
    for tool in ("apt-get", "dpkg-deb"):
        if shutil.which(tool) is None:
            return f"no prometheus here, and no {tool} to get Debian's. hint: install Prometheus ≥ 2.42 on the PATH"
    packages = home.with_name(f"{home.name}.part")
    shutil.rmtree(packages, ignore_errors=True)
    packages.mkdir(parents=True)
    got = subprocess.run(
        ["apt-get", "--quiet", "download", "prometheus"], check=False, cwd=packages, capture_output=True, text=True
    )
    files = sorted(packages.glob("prometheus_*.deb"))
    if got.returncode or not files:
        return f"Debian's package prometheus could not be downloaded: {got.stderr.strip()}. hint: apt-get update"
    subprocess.run(["dpkg-deb", "--extract", files[-1], packages / "root"], check=True)
    shutil.rmtree(home, ignore_errors=True)
    (packages / "root").rename(home)
    shutil.rmtree(packages)
    return None


def main() -> int:
    """Get them; print where they are. 1: they are not to be had."""
    home = Path(sys.argv[1]) if len(sys.argv) > 1 else HOME
    if trouble := get(home):
        print(trouble, file=sys.stderr)
        return 1
    print(*(found(name, home) for name in PROGRAMS))
    return 0


if __name__ == "__main__":
    sys.exit(main())
