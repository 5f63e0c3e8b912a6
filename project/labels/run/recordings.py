"""What the scenes of one run have in common: one index of keyframes speaks of all of them."""

from dataclasses import replace

from project.errors import UserError
from project.sources.base import Rig, Scene
from project.taxonomy import CAMERAS, Taxonomy


def joined(rig: Rig, other: Rig, scene: str) -> Rig:
    """The sensors of two scenes: cameras and lidars that either has, by their names.

    Args:
        rig: sensors of some scenes.
        other: those of another one.
        scene: name of that one.

    Raises:
        UserError: files of a lidar of one name hold points in two ways.
    """
    lidars = {lidar.name: lidar for lidar in rig.lidars}
    for lidar in other.lidars:
        known = lidars.setdefault(lidar.name, lidar)
        if known.points != lidar.points:
            raise UserError(
                f'{scene}: files of the lidar {lidar.name} hold points in another way than those of other scenes '
                f'({", ".join(lidar.points.columns)}; {", ".join(known.points.columns)}); give it another name, or '
                'label these scenes into a folder of their own'
            )
    names = dict.fromkeys((*rig.cameras, *other.cameras))
    # Those of nuScenes first, in its order, whichever scene was the first to have them.
    cameras = sorted(names, key=lambda name: CAMERAS.index(name) if name in CAMERAS else len(CAMERAS))
    return replace(rig, lidars=tuple(lidars.values()), cameras=tuple(cameras))


def check_taxonomy(taxonomy: Taxonomy, scene: Scene) -> None:
    """Make sure that a scene has the categories and labels of the others.

    Raises:
        UserError: it has others.
    """
    mine = scene.taxonomy
    if mine is taxonomy:
        return
    if mine.categories != taxonomy.categories or mine.labels != taxonomy.labels:
        differing = sorted(set(mine.categories) ^ set(taxonomy.categories)) or ['the order of categories']
        raise UserError(
            f'{scene.name}: has other categories or labels than other scenes ({", ".join(differing[:4])}); label such '
            'scenes into folders of their own'
        )
    if (mine.label_of != taxonomy.label_of).any():
        raise UserError(
            f'{scene.name}: gives categories other labels than other scenes do; label such scenes into folders of '
            'their own'
        )
