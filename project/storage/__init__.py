"""Files of object stores, and of whatever else fsspec reads: a local folder mirrors a URL, and all else reads files.

:mod:`project.storage.mounts` is what the rest of the project calls; it imports fsspec with the first URL, and does
nothing where there is none.
"""
