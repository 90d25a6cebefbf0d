#!/bin/sh
# Make the virtual environment at .venv: locked dependencies, checked by hash, and Triptych itself, editable.
#
#   tools/make-venv.sh              make or bring up to date
#   PYTHON=/path/to/python3 tools/make-venv.sh
set -eu
cd "$(dirname "$0")/.."

say() { printf '%s\n' "venv: $*"; }
fail() { printf '%s\n' "venv: $*" >&2; exit 1; }

new_enough() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; }

python=${PYTHON:-}
if [ -z "$python" ]; then
	for candidate in python3 python3.13 python3.12 python3.11; do
		if command -v "$candidate" >/dev/null 2>&1 && new_enough "$candidate"; then
			python=$candidate
			break
		fi
	done
fi
[ -n "$python" ] || fail "no Python 3.11 or later; as root: tools/install-packages.sh"

if ! .venv/bin/python -m pip --version >/dev/null 2>&1 || ! new_enough .venv/bin/python; then
	say "creating .venv with $("$python" --version)"
	# A folder without a working Python in it is what an interrupted run leaves.
	rm -rf .venv
	"$python" -m venv .venv || fail "cannot create .venv; as root: tools/install-packages.sh (python3-venv)"
fi

export PIP_DISABLE_PIP_VERSION_CHECK=1
log=$(mktemp)
pip_failed() {
	grep -vE '^(Ignoring|WARNING: Retrying)' "$log" | tail -n 8 >&2
	fail "$1; the whole output is in $log. Without network, give pip a folder of wheels (PIP_FIND_LINKS, PIP_NO_INDEX=1)"
}
say "installing $(grep -c '==' requirements.lock) locked packages, checked by hash"
.venv/bin/python -m pip install --require-hashes -r requirements.lock >"$log" 2>&1 || pip_failed "the locked packages cannot be installed"
.venv/bin/python -m pip install --no-deps --no-build-isolation -e . >"$log" 2>&1 || pip_failed "Triptych cannot be installed"
rm -f "$log"
say ".venv/bin/triptych is ready"
