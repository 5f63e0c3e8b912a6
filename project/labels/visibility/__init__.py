"""Step 4: which voxels lidar and cameras observe."""
