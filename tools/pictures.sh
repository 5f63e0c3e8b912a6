#!/usr/bin/env bash
# The pictures of the README and of docs/labels.md. The README's are of what `make demo` left in out/demo. Called by
# `make pictures`.
set -euo pipefail
cd "$(dirname "$0")/.."

data=out/demo/nuscenes
images=docs/images
test -d "$data/occupancy" || { echo 'pictures: call make demo first' >&2; exit 1; }

mkdir -p "$images"
view=(python tools/visualize.py "$data/occupancy" --format voxels --dataroot "$data" --scene scene-0103)
"${view[@]}" --frames 7 --width 1280 --png "$images/demo_labels.png"
"${view[@]}" --frames 0:10:2 --width 640 --gif "$images/demo_labels.gif"
DATA_ROOT=$data python tools/visualize.py config/occupancy_lift_tiny.py out/demo/training/best_*.pth \
    --dataroot "$data" --scene scene-0103 --frames 7 --width 1280 --png "$images/demo_prediction.png"
python tools/repair_pictures.py "$images/repairs.png"

# 256 colours are enough for a page, at a third of the size, and those of the legend stay what they are.
python - "$images"/demo_*.png <<'PYTHON'
import sys

from PIL import Image

from project.visualization.render.files import few_colours

for path in sys.argv[1:]:
    image = Image.open(path)
    image.quantize(palette=few_colours(image), dither=Image.Dither.NONE).save(path, optimize=True)
PYTHON
