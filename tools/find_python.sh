# Sourced by launcher.sh and tools/slurm_train.sh, which set $root: which interpreter is PYTHON, where none is named.
if [[ -z "${PYTHON:-}" ]]; then
    if [[ -n "${VIRTUAL_ENV:-}${CONDA_PREFIX:-}" || ! -x "$root/.venv/bin/python" ]]; then
        PYTHON="$(command -v python || command -v python3)" || fail 'there is no python: run make setup'
    else
        PYTHON="$root/.venv/bin/python"
    fi
fi
