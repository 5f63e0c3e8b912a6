"""Executors for many scenes: processes of this machine, or the workers of a Dask cluster."""
