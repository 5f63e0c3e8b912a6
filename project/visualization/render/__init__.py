"""Frames as pictures, animations and videos, without a display."""
