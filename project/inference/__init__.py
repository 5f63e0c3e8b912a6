"""Predictions without a runner or a dataset: from plain arrays, and as a file for use elsewhere."""
