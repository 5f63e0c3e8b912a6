"""Names of protocols and layouts, without torch: command lines list them, and ``--help`` should answer at once."""

from project.formats import FORMATS

SEMANTIC_PROTOCOLS = ('baseline', 'occ3d', 'surroundocc', 'openoccupancy', 'openocc', 'rayiou')
PANOPTIC_PROTOCOLS = ('raypq', 'pq')
"""Those that need to know which object each voxel belongs to."""

PROTOCOLS = SEMANTIC_PROTOCOLS + PANOPTIC_PROTOCOLS
BASELINE_SHAPE = (100, 100, 8)
BAND_EDGES = (20.0, 35.0)
"""Distances that part the distance bands, metres."""

RAYS = 'rays'
"""Layout of an OpenOcc submission: the rays of all keyframes in one ``.gz``."""

DENSE_LAYOUTS = {'submission': 'arr_0', 'sparseocc': 'pred'}
"""Layouts of one ``<sample token>.npz`` a keyframe, and the name of the array in each."""

LAYOUTS = (*DENSE_LAYOUTS, RAYS, *(name for name in FORMATS if name != 'points'))
"""Layouts in which predictions can be written."""
