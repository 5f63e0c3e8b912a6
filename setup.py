"""Everything is in pyproject.toml but one thing that it cannot say: the folder ``config`` is ``project.configs`` in a
wheel, so that ``occ-train occupancy_tiny`` works without a checkout."""

from setuptools import find_packages, setup

setup(
    packages=[
        *find_packages(include=['project*']),
        'project.configs',
        'project.configs._base_',
        'project.configs.clusters',
        'project.visualization.web.static',
        'project.visualization.web.static.vendor',
    ],
    package_dir={'project.configs': 'config'},
)
