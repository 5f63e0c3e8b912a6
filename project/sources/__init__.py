"""Recordings as plain arrays, whatever they are stored as."""
