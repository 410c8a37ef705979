"""What certificates promise in the field, live over HTTP: `make field` prints it.

    python -m tests.acceptance.field [--only NAME] [--patience SECONDS]

A whole gateway between an app and models that sample: the same model, one that is less alike, the same with a judge
that knows, and baselines with a brown-out. 1: something did not end as it has to.
"""

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path

from tests.acceptance.field.cases import cases
from tests.acceptance.field.play import play


def main() -> int:
    """Play each, and print what came of it."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", default="", help="cases whose name has this in it")
    parser.add_argument("--patience", type=float, default=600.0, help="the longest that one may take, in seconds")
    arguments = parser.parse_args()
    faults: list[str] = []
    for case in cases():
        if arguments.only not in case.name:
            continue
        with tempfile.TemporaryDirectory(prefix="crossfade-field-") as folder:
            found = asyncio.run(play(case, Path(folder), patience_s=arguments.patience))
        fault = found.fault(case)
        sys.stdout.write(
            f"{case.name:<22} {found.ending:<11} at most {found.top_ppm / 10_000:g}% in {found.seconds:.0f} s, "
            f"{found.requests:,} requests\n  {found.text}\n"
        )
        sys.stdout.flush()
        faults += [f"{case.name}: {fault}"] if fault else []
    sys.stdout.write("".join(f"NOT AS IT HAS TO BE {fault}\n" for fault in faults))
    return int(bool(faults))


if __name__ == "__main__":
    sys.exit(main())
