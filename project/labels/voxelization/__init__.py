"""Step 3: points become voxels."""
