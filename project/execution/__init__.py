"""Who does the work of many scenes: processes of this machine, or the workers of a Dask cluster."""
