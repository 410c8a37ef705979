#!/bin/sh
# The README's two commands in a clean clone, on a bare Debian: Python, make and a package index, nothing else.
#
#   sudo [STEPS="test run"] tools/chroot_check.sh [--keep]
#
# Needs root and debootstrap. The machine's own package index is used: its environment variables and certificates are
# passed on, its Debian mirror is the one apt is set up with. --keep leaves the chroot where it is.
set -eu

SUITE=${SUITE:-bookworm}
STEPS=${STEPS:-test run}
KEEP=${1:-}
HERE=$(cd "$(dirname "$0")/.." && pwd)
INCLUDE=python3,python3-venv,make,ca-certificates

[ "$(id -u)" = 0 ] || { echo "chroot_check: needs root" >&2; exit 2; }
command -v debootstrap >/dev/null || { echo "chroot_check: needs debootstrap: apt-get install debootstrap" >&2; exit 2; }

if [ -z "${CHROOT_CHECK_INSIDE:-}" ]; then  # a mount namespace of our own: nothing stays mounted, however this ends
	CHROOT_CHECK_INSIDE=1 exec unshare -m "$0" "$@"
fi

ROOT=$(mktemp -d "${TMPDIR:-/var/tmp}/crossfade-chroot.XXXXXX")
trap '[ "$KEEP" = --keep ] && echo "kept: $ROOT" || { umount -l "$ROOT/proc" "$ROOT/dev" 2>/dev/null || true; rm -rf --one-file-system "$ROOT"; }' EXIT

MIRROR=${MIRROR:-$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | head -n 1)}
echo "== a bare $SUITE with $INCLUDE"
debootstrap --variant=minbase --include="$INCLUDE" "$SUITE" "$ROOT" "$MIRROR" >"$ROOT.log" 2>&1 ||
	{ tail -n 5 "$ROOT.log" >&2; exit 1; }
rm -f "$ROOT.log"
mount -t proc proc "$ROOT/proc"
mount --rbind /dev "$ROOT/dev"
mount --make-rslave "$ROOT/dev"

# How this machine reaches its package index: name resolution, certificates, variables.
cp /etc/resolv.conf "$ROOT/etc/resolv.conf"
cp /etc/hosts "$ROOT/etc/hosts"
for file in "${SSL_CERT_FILE:-}" "${PIP_CERT:-}" /etc/ssl/certs/ca-certificates.crt; do
	[ -f "$file" ] && mkdir -p "$ROOT$(dirname "$file")" && cp -L "$file" "$ROOT$file"
done
passed() {
	env | grep -E '^(PIP_INDEX_URL|PIP_EXTRA_INDEX_URL|PIP_CERT|PIP_DEFAULT_TIMEOUT|UV_[A-Z_]*|SSL_CERT_FILE|https?_proxy|no_proxy|HTTPS?_PROXY|NO_PROXY)=' || true
}
inside() {
	# shellcheck disable=SC2046 -- one argument per variable
	chroot "$ROOT" /usr/bin/env -i HOME=/root LANG=C.UTF-8 PATH=/usr/local/bin:/usr/bin:/bin $(passed) \
		/bin/sh -c "cd /crossfade && $1"
}

git clone --quiet --no-hardlinks "$HERE" "$ROOT/crossfade"
echo "== python3: $(inside 'python3 --version'); commit $(git -C "$HERE" rev-parse --short HEAD)"

make_test() {
	echo "== make test"
	START=$(date +%s)
	inside 'make test' || { echo "make test failed in the chroot" >&2; exit 1; }
	echo "== make test: $(($(date +%s) - START)) s"
}

# Asks both ports, then stops the server as an operator would.
ASK='
import json, os, signal, time, urllib.error, urllib.request
for turn in range(240):
    try:
        print("admin port, /healthz:", urllib.request.urlopen("http://127.0.0.1:8081/healthz", timeout=2).status)
        break
    except OSError:
        time.sleep(0.5)
else:
    raise SystemExit("make run did not come up in time")
try:
    answer = urllib.request.urlopen("http://127.0.0.1:8080/v1/models", timeout=30)
except urllib.error.HTTPError as error:
    answer = error
print("data port, /v1/models:", answer.status, json.loads(answer.read()))
for pid in filter(str.isdigit, os.listdir("/proc")):
    try:
        line = open(f"/proc/{pid}/cmdline", "rb").read().split(b"\0")
        here = os.stat(f"/proc/{pid}/root").st_ino == os.stat("/").st_ino
    except OSError:
        continue
    if here and b"serve" in line and any(part.endswith(b"/crossfade") for part in line):
        os.kill(int(pid), signal.SIGTERM)
'
make_run() {
	echo "== make run"
	inside 'exec make run' >"$ROOT/run.log" 2>&1 &
	RUN=$!
	printf '%s' "$ASK" >"$ROOT/ask.py"
	inside 'python3 /ask.py' || { cat "$ROOT/run.log" >&2; kill "$RUN"; exit 1; }
	wait "$RUN" || { cat "$ROOT/run.log" >&2; echo "make run did not stop cleanly" >&2; exit 1; }
	ls "$ROOT/crossfade/crossfade-data"
}

for STEP in $STEPS; do
	"make_$STEP"
done
echo "== $STEPS: works"
