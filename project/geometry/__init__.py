"""Geometry without a dependency on the rest of the project: rigid transforms, voxel traversal, the bit grid."""
