"""Recordings in the tables of nuScenes."""
