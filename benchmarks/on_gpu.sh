#!/usr/bin/env bash
# What only a GPU can show, in one go of a few minutes: the same answers and losses as a CPU, then the speed of describing,
# training from disk and matching. From the repository's root: benchmarks/on_gpu.sh [FOLDER FOR THE LOGS]
# It goes on after a part that fails, and its exit status tells.
set -u
python=${PYTHON:-python3}
logs=${1:-gpu-logs}
mkdir -p "$logs"
export PYTHONPATH=src:.${PYTHONPATH:+:$PYTHONPATH} PYTHONUNBUFFERED=1
failed=0

part() {
    name=$1 limit=$2
    shift 2
    echo "== $name: $*"
    timeout "$limit" "$@" 2>&1 | tee "$logs/$name.log" | tail -n 30
    [ "${PIPESTATUS[0]}" -eq 0 ] || { echo "== $name FAILED"; failed=1; }
}

part machine 30 "$python" -c "from vprkit.device import resolve_device as d; import torch; print(torch.__version__, d())"
part describe-small 90 "$python" benchmarks/describe.py --count 2000 --method dinov2-vits14 --resize 112
part describe-large 120 "$python" benchmarks/describe.py --count 2000 --method dinov2-vitl14 --depth 24 --resize 322
part train-step 120 "$python" benchmarks/train_step.py --backbone resnet50 --side 320 --places 32 --steps 20
export VPRKIT_TEST_DEVICE=auto
part checks-describing 120 "$python" -m pytest -q -p no:cacheprovider tests/accelerator/check_describing.py
part checks-training 150 "$python" -m pytest -q -p no:cacheprovider tests/accelerator/check_training.py
exit $failed
