"""Many scenes: workers, the folder of labels, the index, the report."""
