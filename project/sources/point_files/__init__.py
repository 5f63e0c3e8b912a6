"""Readers of files of points. Each returns the columns by name, as they are in the file."""
