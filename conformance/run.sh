#!/bin/sh
# Runs the published Python and Node clients against the real binary, one suite after the other; then the parity suite,
# which compares them and the Rust client.
#
#   conformance/run.sh                     all suites, with target/debug/noukai and target/debug/noukai-parity
#   NOUKAI_BIN=/path/to/noukai NOUKAI_PARITY_BIN=/path/to/noukai-parity conformance/run.sh
#
# Needs python3 (3.10 or newer, with venv), node (20.14 or newer) with npm, and port 8080 free.
# Ends with each runner's own summary; exits non-zero if one of them failed.
set -eu

here=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd)
cache=$here/.cache
NOUKAI_BIN=${NOUKAI_BIN:-$here/../target/debug/noukai}
NOUKAI_PARITY_BIN=${NOUKAI_PARITY_BIN:-$here/../target/debug/noukai-parity}
export NOUKAI_BIN NOUKAI_PARITY_BIN

if [ ! -x "$NOUKAI_BIN" ]; then
    echo "$NOUKAI_BIN is missing: build it with \`cargo build\`, or set NOUKAI_BIN" >&2
    exit 2
fi
if [ ! -x "$NOUKAI_PARITY_BIN" ]; then
    echo "$NOUKAI_PARITY_BIN is missing: build it with \`cargo build -p noukai-parity\`, or set NOUKAI_PARITY_BIN" >&2
    exit 2
fi
case $NOUKAI_BIN in
    /*) ;;
    *) NOUKAI_BIN=$PWD/$NOUKAI_BIN ;;
esac
case $NOUKAI_PARITY_BIN in
    /*) ;;
    *) NOUKAI_PARITY_BIN=$PWD/$NOUKAI_PARITY_BIN ;;
esac

mkdir -p "$cache"
if ! "$cache/venv/bin/python" -m pip --version >/dev/null 2>&1; then
    python3 -m venv --clear "$cache/venv"
fi
"$cache/venv/bin/python" -m pip install --quiet --disable-pip-version-check --requirement "$here/python/requirements.txt"
npm ci --prefix "$here/node" --no-audit --no-fund --loglevel=error

# Shows a suite's output as it comes and keeps it; the suite's exit code goes to a file, since `tee` has its own.
suite() {
    name=$1
    shift
    { "$@" 2>&1 && echo 0 >"$cache/$name.code" || echo $? >"$cache/$name.code"; } | tee "$cache/$name.log"
}

cd "$here/python"
suite python "$cache/venv/bin/python" -m pytest
cd "$here/node"
suite node npm test --silent
suite parity "$cache/venv/bin/python" "$here/parity/run.py"

echo
tail -n 1 "$cache/python.log"
grep -E '^(#|ℹ) (tests|suites|pass|fail|cancelled|skipped|todo|duration_ms) ' "$cache/node.log" || true
tail -n 1 "$cache/parity.log"
[ "$(cat "$cache/python.code")" = 0 ] && [ "$(cat "$cache/node.code")" = 0 ] && [ "$(cat "$cache/parity.code")" = 0 ]
