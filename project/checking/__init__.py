"""Checks labels without ground truth: they must agree with the lidar."""
