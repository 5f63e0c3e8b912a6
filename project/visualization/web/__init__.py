"""Frames in the browser: the page, as one file or served from this machine."""
