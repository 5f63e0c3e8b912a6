"""Recordings described by one ``scene.json`` for each scene: the way to use one's own data."""
