"""Recordings that a ``scene.json`` a scene describes: the way for data of one's own."""
