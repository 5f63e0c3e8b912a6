"""A synthetic world whose ground truth is known exactly, because it is built from closed solids.

:func:`make_world` writes it in nuScenes format or as a folder of recordings; :mod:`project.synthetic.truth` computes
exact labels from the solids alone.
"""

from project.synthetic.world import make_world
from project.synthetic.world_settings import Difficulties, WorldSettings

__all__ = ['Difficulties', 'WorldSettings', 'make_world']
