"""Frames in the files of other programs: Foxglove, Rerun, and anything that shows meshes."""
