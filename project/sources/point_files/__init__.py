"""Readers of files of points. Each returns its columns by name, as they are in the file."""
