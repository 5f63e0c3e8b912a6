"""How good predicted voxels are. What registers with mmengine is in `metric` and `predictions`; the rest is plain."""
