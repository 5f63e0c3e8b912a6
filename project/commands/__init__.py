"""The commands ``occ-convert``, ``occ-check``, ``occ-evaluate``, ``occ-visualize``, ``occ-train`` and ``occ-test``.

Each module reads arguments, calls the package and prints. ``program`` is what a console runs, and the scripts
``data_converter.py`` and ``tools/*.py`` of a checkout as well; ``main`` is the same for other programs. Scripts import
this package before any third-party one: if one is missing, they end here in one sentence. No other module of the
project ends a program when it is imported.
"""

import os

from project.cli import require_main

require_main()
# numpy's threads for matrices keep processors waiting for work, which takes longer than matrices of 4 x 4.
os.environ.setdefault('OPENBLAS_NUM_THREADS', '1')
