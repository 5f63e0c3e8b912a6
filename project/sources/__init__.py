"""Reads recordings of any kind into plain arrays."""
