"""Draw what each repair of the labels changes: labels without it and with it, of worlds whose faults are known.

    python tools/repair_pictures.py docs/images/repairs.png

Each pair differs in one step of ``project/labels/pipeline.py``.
"""

import argparse
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from project.cli import usable_cores
from project.formats import voxels
from project.formats.common import OccupancyLabels
from project.grid import VoxelGrid
from project.label_set import LabelSet
from project.labels.config import DEFAULT
from project.labels.pipeline import label_scene
from project.labels.run.settings import Settings
from project.sources.base import Scene, Tracks
from project.sources.opening import open_source
from project.synthetic import Difficulties, WorldSettings, make_world
from project.visualization.frame import Frame
from project.visualization.render.camera import Camera
from project.visualization.render.drawing import blank, caption, legend
from project.visualization.render.files import few_colours
from project.visualization.render.picture import render_voxels
from project.visualization.render.viewpoints import FIELD_OF_VIEW_DEG, from_ego
from tools.benchmarks._label_trails import mislabelled

PANEL_PX = (590, 330)
GAP_PX = 8
GRID = VoxelGrid.from_range('lidar', (-25.6, -25.6, -5.0, 25.6, 25.6, 3.0), (0.2, 0.2, 0.2))


@dataclass(frozen=True)
class Steps:
    """Which steps are taken.

    Attributes:
        poses: sweeps are registered to each other.
        own_car: returns on the own car are left out.
        movers: points in boxes move with them.
        removal: points that rays of other times pass through are removed.
        completion: holes are filled.
    """

    poses: bool = True
    own_car: bool = True
    movers: bool = True
    removal: bool = True
    completion: bool = False


@dataclass(frozen=True)
class Pair:
    """Labels without and with a step, of a keyframe of a world's first scene.

    Attributes:
        fault, repaired: what the pictures without the step and with it show.
        world: the world.
        keyframe: place in the scene, from 0.
        without, with_it: the steps.
        eye, target: the camera, in the ego frame, metres.
        recorded: what happened to the recording, given a folder for its files.
    """

    fault: str
    repaired: str
    world: WorldSettings
    keyframe: int
    without: Steps
    with_it: Steps
    eye: tuple[float, float, float] = (-13.0, 0.0, 17.0)
    target: tuple[float, float, float] = (5.0, 0.0, 0.0)
    recorded: Callable[[Scene, Path], Scene] = lambda scene, _: scene


def _without_lidarseg(scene: Scene, _: Path) -> Scene:
    return replace(scene, label_files=(None,) * len(scene.label_files))


FLAT = WorldSettings(scenes=1, keyframes=12, images=False)
HILLY = replace(FLAT, difficulties=Difficulties(missing_z=True))
FOLLOWED = replace(FLAT, followers=3, seed=41)
WORLDS = (FLAT, HILLY, FOLLOWED)
KEPT = Steps(removal=False)
PAIRS = (
    Pair('Poses without height', 'Poses corrected', HILLY, 6, Steps(poses=False), Steps()),
    Pair(
        'Movers where they were', 'Movers aligned by their boxes', FLAT, 8, replace(KEPT, movers=False), KEPT,
        eye=(-8.0, 4.0, 9.0), target=(2.0, 5.0, 0.0),
    ),
    Pair(
        'Followers without boxes, labelled as walls', 'Removed by rays of other times', FOLLOWED, 6, KEPT, Steps(),
        eye=(12.0, 0.0, 15.0), target=(-9.0, 0.0, 0.0), recorded=mislabelled,
    ),
    Pair(
        'Own car, in a recording without lidarseg', 'Own car left out', FLAT, 6, replace(KEPT, own_car=False), KEPT,
        recorded=_without_lidarseg,
    ),
    Pair(
        'Holes in the ground', 'Holes filled (--complete)', FLAT, 2, Steps(), Steps(completion=True),
        eye=(-10.0, 8.0, 13.0), target=(-20.0, 16.0, 0.0),
    ),
)  # fmt: skip


def labels_of(scene: Scene, keyframe: int, steps: Steps, folder: Path) -> OccupancyLabels:
    """The labels of a keyframe on :data:`GRID`, made in a folder, with some steps left out."""
    config = DEFAULT
    if not steps.movers:
        scene = replace(scene, tracks=_none_of(scene.tracks))
    if not steps.own_car:
        scene = replace(scene, rig=replace(scene.rig, own_box=np.zeros((2, 3))))
        config = config._replace(own_vehicle=config.own_vehicle._replace(min_sweeps=len(scene.sweep_files) + 1))
    settings = Settings(
        folder, grid=GRID, overwrite=True, refine_poses=steps.poses, remove_ghosts=steps.removal,
        complete=steps.completion, config=config,
    )  # fmt: skip
    label_scene(scene, settings)
    return voxels.read(folder / voxels.path(scene.keyframes[keyframe]))


def _none_of(tracks: Tracks) -> Tracks:
    return Tracks(tracks.present[:, :0], tracks.global_from_box[:, :0], tracks.sizes[:, :0], tracks.categories[:0])


def drawn(pairs: Sequence[Pair], scene_of: Callable[[Pair], Scene], folder: Path) -> np.ndarray:
    """(H, W, 3) uint8 RGB: a row a pair, without the step and with it, and the legend."""
    width = 2 * PANEL_PX[0] + GAP_PX
    rows, shown = [], set()
    for pair in pairs:
        scene, panels = scene_of(pair), []
        place, target = from_ego(GRID, np.array([pair.eye, pair.target]))
        camera = Camera.look_at(place, target, FIELD_OF_VIEW_DEG, *PANEL_PX)
        for steps, title in ((pair.without, pair.fault), (pair.with_it, pair.repaired)):
            labels = labels_of(scene, pair.keyframe, steps, folder)
            frame = Frame(scene.name, pair.keyframe, scene.name, GRID, labels.dense())
            panels.append(render_voxels(frame, frame.layers[0], camera))
            caption(panels[-1], title)
            shown |= set(labels.classes.tolist())
        rows += [np.concatenate([panels[0], blank(PANEL_PX[1], GAP_PX), panels[1]], axis=1), blank(GAP_PX, width)]
    names = LabelSet()
    entries = [
        (names.names[code].replace('_', ' '), tuple(names.colours[code].tolist())) for code in sorted(shown) if code
    ]
    return np.concatenate([*rows, legend(entries, width)])


def main() -> None:
    """Make the worlds, label them, draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('out', type=Path, help='PNG to write')
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:

        def scene_of(pair: Pair) -> Scene:
            root = Path(folder, str(WORLDS.index(pair.world)))
            if not root.exists():
                make_world(root, pair.world, usable_cores())
            source = open_source(root)
            return pair.recorded(source.load(source.scene_names[0]), root / 'changed')

        picture = Image.fromarray(drawn(PAIRS, scene_of, Path(folder, 'labels')))
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    picture.quantize(palette=few_colours(picture), dither=Image.Dither.NONE).save(arguments.out, optimize=True)


if __name__ == '__main__':
    main()
