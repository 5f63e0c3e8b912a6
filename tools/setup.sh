#!/usr/bin/env bash
# Make .venv with everything that the project needs: no compiler, no system library. Called by `make setup`.
#
#   bash tools/setup.sh                  the first suitable Python on the PATH
#   PYTHON=python3.12 bash tools/setup.sh
#   VENV=/tmp/venv bash tools/setup.sh   another folder than .venv
set -euo pipefail
cd "$(dirname "$0")/.."

venv=${VENV:-.venv}

fail() {
    echo "setup: $*" >&2
    exit 1
}

# Into what is something else nothing is installed, and nothing of it is removed.
if [[ -e "$venv" && ! -f "$venv/pyvenv.cfg" && (! -d "$venv" || -n "$(ls -A "$venv")") ]]; then
    echo "setup: $venv is there and is no virtual environment; name another folder: VENV=/path make setup" >&2
    exit 2
fi

supported() {
    "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 12))' 2>/dev/null
}

find_python() {
    for candidate in ${PYTHON:-python3 python3.12 python3.11 python}; do
        if supported "$candidate"; then
            echo "$candidate"
            return
        fi
    done
    fail "needs Python 3.11 or 3.12, and ${PYTHON:-python3} is $(${PYTHON:-python3} --version 2>&1 || true);" \
        "install one (Debian, Ubuntu: apt install python3.11 python3.11-venv) or name one: PYTHON=/path/to/python3.12 make setup"
}

python=$(find_python)
"$python" -c 'import ensurepip, venv' 2>/dev/null ||
    fail "$python cannot make virtual environments; install its venv package (Debian, Ubuntu: apt install $("$python" -c \
        'import sys; print("python%d.%d-venv" % sys.version_info[:2])')) and call make setup again"

# An environment of another Python, or one that a moved folder left behind, is made anew.
if ! supported "$venv/bin/python"; then
    "$python" -m venv --clear "$venv"
fi

install() {
    local log=$venv/setup.log
    "$venv/bin/python" -m pip install --disable-pip-version-check --retries 2 "$@" >"$log" 2>&1 && return
    if grep -qi 'no space left' "$log"; then
        fail 'the disk is full; the environment takes 8 GB'
    elif grep -qiE 'connection|resolution|timed out|unreachable|no matching distribution' "$log"; then
        fail "the packages cannot be downloaded ($log); connect this machine to a Python package index, or set a mirror" \
            'with "pip config", and call make setup again: it goes on where it stopped'
    fi
    tail -n 20 "$log" >&2
    fail "pip failed; its last words are above, the rest is in $log"
}

echo "setup: installing into $venv ($("$python" --version)); about three minutes and 3 GB of downloads"
install 'setuptools<81'
install -r requirements.txt -e '.[dev,viz]'
# Two packages bring OpenCV, one of them with a window system; the one without must win, for machines that have no libGL.
install --force-reinstall --no-deps "$(grep '^opencv-python-headless' requirements.txt)"
touch "$venv/.complete"
echo "setup: done; next: source $venv/bin/activate"
