"""Dense semantic occupancy for surround-view driving: labels, Occupancy-BEVFormer, evaluation and pictures.

``import project`` makes this package an mmdet3d plugin: its detector, dataset, transforms, metric and hooks are in
mmdet3d's registries from the moment these exist. The import itself is cheap, and the packages that need no framework
(``project.labels``, ``project.formats``, ``project.synthetic``) stay free of torch.
"""

from project.compat import install_plugin

__version__ = '0.1.0'

install_plugin(
    registering=(
        'project.datasets',
        'project.models',
        'project.engine',
        'project.evaluation.metric',
        'project.evaluation.predictions',
        'project.evaluation.protocols.metric',
        'project.visualization.hook',
    )
)
