#!/usr/bin/env bash
# From nothing to pictures in minutes, on a CPU: a world, its labels, a small model trained on them, its score, pictures.
# Called by `make demo`; everything ends up in out/demo.
set -euo pipefail
cd "$(dirname "$0")/.."

out=out/demo
data=$out/nuscenes
say() { printf '\n%s\n' "== $*"; }

say 'a made world in nuScenes format: ten towns with busy sidewalks, eight to train on and two to validate'
python tools/make_synthetic.py --out "$data" --scenes 10 --keyframes 10 --image-size 480x270 --people 8 --seed 3 \
    --workers 2 --overwrite

say 'dense labels from its lidar sweeps'
python data_converter.py --dataroot "$data" --save_path "$data/occupancy" --format voxels --format occ3d --overwrite

say 'a small OccupancyLift, trained for 400 steps'
rm -rf "$out/training"
DATA_ROOT=$data bash launcher.sh config/occupancy_lift_tiny.py "$out/training" \
    --cfg-options train_cfg.max_epochs=5 train_cfg.val_interval=5

say 'its score in the towns that it has not seen'
model=(config/occupancy_lift_tiny.py "$out"/training/best_*.pth)
DATA_ROOT=$data python tools/test.py "${model[@]}" --geometric --json "$out/scores.json"

say 'pictures'
view=(python tools/visualize.py "$data/occupancy" --format voxels --dataroot "$data" --scene scene-0103)
"${view[@]}" --frames 7 --png "$out/labels.png"
"${view[@]}" --frames all --gif "$out/labels.gif"
"${view[@]}" --frames 5:9 --html "$out/labels.html"
DATA_ROOT=$data python tools/visualize.py "${model[@]}" --dataroot "$data" --scene scene-0103 --frames 7 \
    --png "$out/prediction.png"

cat <<TEXT

Done. In $out:
  labels.png       labels of a keyframe: from behind, from above, in the six cameras
  labels.gif       the scene in motion
  labels.html      the same in 3D; opens in any browser, needs no network
  prediction.png   what the small model makes of it, beside the labels, and where the two differ
  scores.json      IoU by class

To turn it around yourself:  python tools/visualize.py $data/occupancy --dataroot $data   and open http://127.0.0.1:8080
TEXT
