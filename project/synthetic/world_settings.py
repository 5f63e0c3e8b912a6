"""Settings of a synthetic world; stored in the world as JSON, so that its geometry can be rebuilt from it."""

import json
import re
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from project.synthetic.rig import RIGS

SETTINGS_FILE = 'synthetic_world.json'

FOLDERS = ('samples', 'sweeps', 'lidarseg', 'maps')
"""Parts of a world with nuScenes' tables, besides its settings and the tables."""

TAXONOMY_FILE = 'taxonomy.yaml'

LAYOUTS = ('nuscenes', 'folder')

MINI_SCENES = (
    'scene-0061', 'scene-0103', 'scene-0553', 'scene-0916', 'scene-0655', 'scene-0757', 'scene-0796', 'scene-1077',
    'scene-1094', 'scene-1100',
)  # fmt: skip
"""Scene names of the official mini splits."""
MINI_VAL = ('scene-0103', 'scene-0916')
"""Those of them that are for validation."""

MOST_FOLLOWERS = 3
"""Road users that can follow the ego car."""


@dataclass(frozen=True)
class Difficulties:
    """Difficulties for labelling, each of which can be switched on or off.

    Attributes:
        unannotated: moving objects that have no box (lidarseg at keyframes knows their class).
        range_noise: Gaussian noise along the beam (sigma 12 mm).
        missing_returns: beams that meet nothing or are lost are stored near the origin; hits on the ego car are kept.
        appearing: some objects come into being or cease to be in the middle of a scene.
        quiet_start: every second scene starts with sweeps in which nothing carries a box.
        pose_noise: ego poses drift by centimetres and tenths of a degree, as from a real localiser.
        missing_z: the ground is hilly, and ego poses say z = 0 nevertheless, as nuScenes' do.
    """

    unannotated: bool = True
    range_noise: bool = True
    missing_returns: bool = True
    appearing: bool = True
    quiet_start: bool = True
    pose_noise: bool = False
    missing_z: bool = False

    @classmethod
    def sentences(cls) -> dict[str, str]:
        """Description of each difficulty, by name."""
        return dict(re.findall(r'^ +(\w+): (.+)\.$', cls.__doc__ or '', re.MULTILINE))

    @classmethod
    def all(cls, on: bool = True) -> 'Difficulties':
        """Every difficulty on, or every one off."""
        return cls(**{each.name: on for each in fields(cls)})


@dataclass(frozen=True)
class WorldSettings:
    """A world is a pure function of these.

    Attributes:
        seed: the same seed gives the same world, byte for byte.
        scenes: number of scenes; each is a town of its own.
        keyframes: keyframes a scene, half a second apart; further lidar sweeps are between two of them.
        image_size: (width, height) of the cameras, pixels; nuScenes has (1600, 900). Some rigs have smaller ones, too.
        images: write camera images (without, the tables still list them).
        difficulties: what makes labelling hard.
        followers: road users without boxes that follow the ego car wherever it goes: a cyclist, a van, a car.
        people: how many more people walk or stand on each sidewalk close to the ego car's path.
        scene_names: one name a scene; by default those of the official mini splits.
        version: name of the folder of tables.
        rig: the sensors, one of :data:`project.synthetic.rig.RIGS`.
        layout: what the files are: ``nuscenes``, tables of nuScenes, where points are as if all had been measured at
            the end of the sweep; or ``folder``, a ``scene.json`` for each scene, where points are as the lidar measures
            them while it turns and the car moves.
    """

    seed: int = 0
    scenes: int = 2
    keyframes: int = 20
    image_size: tuple[int, int] = (800, 450)
    images: bool = True
    difficulties: Difficulties = field(default_factory=Difficulties)
    followers: int = 0
    people: int = 0
    scene_names: tuple[str, ...] = ()
    version: str = 'v1.0-mini'
    rig: str = 'nuscenes'
    layout: str = 'nuscenes'

    def __post_init__(self) -> None:
        if self.scenes < 1 or self.keyframes < 1:
            raise ValueError('a world needs at least one scene of one keyframe')
        if not 0 <= self.followers <= MOST_FOLLOWERS:
            raise ValueError(f'followers: {self.followers} are not between 0 and {MOST_FOLLOWERS}')
        if self.people < 0:
            raise ValueError(f'people: {self.people} is less than 0')
        if min(self.image_size) < 16:
            raise ValueError(f'image_size {self.image_size} is too small: both sides need 16 pixels or more')
        if len(self.names) != self.scenes or len(set(self.names)) != self.scenes:
            raise ValueError(f'{self.scenes} scenes need as many different names; got {len(set(self.names))}')
        if self.seed < 0:
            raise ValueError(f'seed {self.seed} is less than 0')
        for name in (self.version, *self.names):
            # Names become those of files and folders.
            if not re.fullmatch(r'[A-Za-z0-9][\w.-]*', name):
                raise ValueError(f'"{name}" is no name: letters, digits and ".", "-", "_" after the first of them')
        if self.version in FOLDERS:
            raise ValueError(f'the folder of tables cannot be called {self.version}')
        if self.rig not in RIGS:
            raise ValueError(f'there is no rig {self.rig}; there are {", ".join(RIGS)}')
        if self.layout not in LAYOUTS:
            raise ValueError(f'there is no layout {self.layout}; there are {", ".join(LAYOUTS)}')

    @property
    def names(self) -> tuple[str, ...]:
        """Name of each scene."""
        further = tuple(f'scene-{9000 + number}' for number in range(self.scenes - len(MINI_SCENES)))
        return self.scene_names or (MINI_SCENES + further)[: self.scenes]

    @property
    def parts(self) -> tuple[str, ...]:
        """Parts of a world besides its settings; the first part is needed to load it."""
        return (TAXONOMY_FILE, *self.names) if self.layout == 'folder' else (self.version, *FOLDERS)

    @classmethod
    def tiny(cls, **changes) -> 'WorldSettings':
        """A world for tests, made in seconds: two scenes of three keyframes with small images."""
        return replace(cls(scenes=2, keyframes=3, image_size=(160, 90)), **changes)

    def save(self, root: Path) -> None:
        """Store the settings in the world's folder."""
        (root / SETTINGS_FILE).write_text(json.dumps(asdict(self), indent=1))

    @classmethod
    def load(cls, root: Path) -> 'WorldSettings':
        """Settings of the world in a folder.

        Raises:
            FileNotFoundError: the folder holds no synthetic world.
        """
        path = Path(root) / SETTINGS_FILE
        if not path.is_file():
            raise FileNotFoundError(f'{path} does not exist: {root} holds no world made by tools/make_synthetic.py')
        content = json.loads(path.read_text())
        content['difficulties'] = Difficulties(**content['difficulties'])
        settings: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value for key, value in content.items()
        }
        return cls(**settings)
