"""Step 2: the sweeps of a scene become points of the static world and of every object."""
