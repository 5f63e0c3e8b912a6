#!/usr/bin/env bash
# Train on a Slurm cluster:  GPUS=16 bash tools/slurm_train.sh PARTITION JOB_NAME CONFIG [WORK_DIR] [options of tools/train.py]
#
# GPUS            in all                        [8]
# GPUS_PER_NODE   on each machine               [8, or GPUS where that is less]
# CPUS_PER_TASK   for each GPU's process        [8]
# SRUN_ARGS       further arguments of srun, e.g. "--time=24:00:00"
# PYTHON          interpreter                   [that of an active environment, else .venv/bin/python, else python3]
#
# A job that the cluster stopped goes on when it is submitted again with --resume.
set -euo pipefail

fail() {
    echo "slurm_train.sh: $*" >&2
    exit 2
}

if [[ $# -lt 3 ]]; then
    sed -n '2,10s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2
    exit 2
fi
partition="$1" job_name="$2" config="$3"
shift 3
root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
[[ -f "$config" ]] || fail "there is no configuration $config"
command -v srun > /dev/null || fail 'there is no srun here; launcher.sh trains without Slurm'
source "$root/tools/find_python.sh"
if [[ $# -gt 0 && "$1" != -* ]]; then
    set -- --work-dir "$@"
fi
GPUS="${GPUS:-8}"
GPUS_PER_NODE="${GPUS_PER_NODE:-$((GPUS < 8 ? GPUS : 8))}"

# SRUN_ARGS is a list of words.
# shellcheck disable=SC2086
exec srun --partition="$partition" --job-name="$job_name" --gres="gpu:$GPUS_PER_NODE" --ntasks="$GPUS" \
    --ntasks-per-node="$GPUS_PER_NODE" --cpus-per-task="${CPUS_PER_TASK:-8}" --kill-on-bad-exit=1 ${SRUN_ARGS:-} \
    "$PYTHON" -u "$root/tools/train.py" "$config" --launcher slurm "$@"
