#!/usr/bin/env bash
# Train on all GPUs of this machine, or of several; on the CPU where there is none.
set -euo pipefail

usage() {
    cat <<'TEXT'
usage: bash launcher.sh CONFIG [WORK_DIR] [options of tools/train.py]

    bash launcher.sh config/occupancy.py                       # every visible GPU; work_dirs/occupancy
    bash launcher.sh config/occupancy.py out/run1 --amp        # in bfloat16
    bash launcher.sh config/occupancy.py out/run1 --resume     # go on where it was stopped
    CUDA_VISIBLE_DEVICES=2,3 bash launcher.sh config/occupancy.py
    NNODES=2 NODE_RANK=0 MASTER_ADDR=10.0.0.1 bash launcher.sh config/occupancy.py    # and on the other, NODE_RANK=1

Environment:
    GPUS          processes on this machine          [visible GPUs, or 1; without a GPU they share the CPU]
    NNODES        machines                           [1]
    NODE_RANK     which of them this is              [0]
    MASTER_ADDR   address of the first               [127.0.0.1]
    PORT          port on the first that is free     [29500; on one machine, any free one]
    PYTHON        interpreter          [that of an active environment, else .venv/bin/python, else python3]
TEXT
}

fail() {
    echo "launcher.sh: $*" >&2
    exit 2
}

case "${1:-}" in
    '') usage >&2; exit 2 ;;
    -h | --help) usage; exit 0 ;;
esac

root="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
config="$1"
shift
[[ -f "$config" ]] || fail "there is no configuration $config"
if [[ $# -gt 0 && "$1" != -* ]]; then
    set -- --work-dir "$@"
fi

source "$root/tools/find_python.sh"

NNODES="${NNODES:-1}"
NODE_RANK="${NODE_RANK:-0}"
for name in NNODES NODE_RANK GPUS; do
    [[ "${!name:-1}" =~ ^[0-9]+$ ]] || fail "$name=${!name} is not a number"
done
((NODE_RANK < NNODES)) || fail "NODE_RANK=$NODE_RANK must be below NNODES=$NNODES"

visible="$("$PYTHON" -c 'import torch; print(torch.cuda.device_count())')" ||
    fail "$PYTHON cannot import torch: run make setup, or set PYTHON to the interpreter that has it"
GPUS="${GPUS:-$((visible > 0 ? visible : 1))}"
((GPUS >= 1)) || fail 'GPUS must be at least 1; CUDA_VISIBLE_DEVICES= trains on the CPU'
((visible == 0 || GPUS <= visible)) || fail "GPUS=$GPUS, but only $visible are visible"

if ((NNODES == 1 && GPUS == 1)); then
    exec "$PYTHON" "$root/tools/train.py" "$config" "$@"
elif ((NNODES == 1)) && [[ -z "${PORT:-}" ]]; then
    rendezvous=(--standalone)
else
    ((NODE_RANK > 0)) || "$PYTHON" -c "import socket; socket.create_server(('', ${PORT:-29500})).close()" 2>/dev/null ||
        fail "port ${PORT:-29500} cannot be used here, by another training perhaps: set PORT to one that is free"
    rendezvous=(--nnodes "$NNODES" --node-rank "$NODE_RANK" --master-addr "${MASTER_ADDR:-127.0.0.1}" --master-port "${PORT:-29500}")
fi
train=("$PYTHON" -m torch.distributed.run "${rendezvous[@]}" --nproc-per-node "$GPUS"
    "$root/tools/train.py" "$config" --launcher pytorch "$@")
((NNODES > 1)) || exec "${train[@]}"

# torchrun says at length that a process ended, and not what to do about another machine.
"${train[@]}" &
child=$!
trap 'kill -TERM "$child"' INT TERM
status=0
wait "$child" || status=$?
# A signal ends the wait, too, before the processes have ended.
while kill -0 "$child" 2>/dev/null; do wait "$child" || status=$?; done
if ((status != 0)); then
    echo "launcher.sh: training ended on machine $NODE_RANK of $NNODES, since a process failed here or on another" \
        "machine; the first error in the logs says where. Start it again on all machines, with --resume" >&2
fi
exit "$status"
