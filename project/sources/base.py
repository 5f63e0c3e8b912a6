"""A recording as plain arrays, whatever it is stored as: all that label generation needs to know.

A source (:class:`SceneSource`) lists scenes and loads each as a :class:`Scene`. Sweeps of all lidars of the rig are in
one order, that of time.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Literal, Protocol

import numpy as np

from project.errors import FIXABLE, UserError, what_is_wrong
from project.geometry.rigid import inverse
from project.sources.records import Keyframe, KeyframeRecord
from project.sources.trajectory import Trajectory
from project.taxonomy import CAMERAS, Taxonomy


@dataclass(frozen=True)
class Tracks:
    """Annotated boxes of a scene, as arrays over K keyframes and T tracks; global frame, metres.

    Attributes:
        present: (K, T) bool, whether the track is annotated at the keyframe; the rest holds only where it is.
        global_from_box: (K, T, 4, 4) float64; the box's frame is at its centre, x forward, y left, z up.
        sizes: (K, T, 3) float64 length, width, height: extent along x, y, z of the box.
        categories: (T,) uint8 category of the taxonomy.
    """

    present: np.ndarray
    global_from_box: np.ndarray
    sizes: np.ndarray
    categories: np.ndarray


@dataclass(frozen=True)
class Annotations:
    """Boxes at A times that need not be those of keyframes: some data sets have them for every sweep.

    Attributes:
        times_us: (A,) int64, ascending.
        tracks: as those of the scene, over A times instead of K keyframes.
    """

    times_us: np.ndarray
    tracks: Tracks


@dataclass(frozen=True)
class Cameras:
    """The C cameras of a keyframe, each at the time of its own image.

    Attributes:
        global_from_camera: (C, 4, 4) float64.
        matrices: (C, 3, 3) float64, camera frame to pixels.
        sizes_px: (C, 2) int64 width and height.
    """

    global_from_camera: np.ndarray
    matrices: np.ndarray
    sizes_px: np.ndarray


@dataclass(frozen=True)
class PointLayout:
    """How a file holds the points of a sweep.

    Attributes:
        columns: name of each column of a headerless ``.bin`` or of a plain ``.npy``; other files name their own.
            ``x``, ``y`` and ``z`` are metres in the lidar frame.
        dtype: type of the numbers of a headerless ``.bin``, or one for each column; other files state their own.
        intensity: the column that says how bright a return is; 0 if there is none.
        intensity_max: intensity of the brightest return.
        time: the column that says when a point was measured.
        time_unit_s: seconds of one unit of it.
        time_zero: what it counts from: the sweep's time stamp, or the epoch that time stamps count from.
    """

    columns: tuple[str, ...] = ('x', 'y', 'z', 'intensity', 'ring')
    dtype: str | tuple[str, ...] = 'float32'
    intensity: str = 'intensity'
    intensity_max: float = 255.0
    time: str = 'time'
    time_unit_s: float = 1.0
    time_zero: Literal['stamp', 'epoch'] = 'stamp'


@dataclass(frozen=True)
class Lidar:
    """A lidar of the rig.

    Attributes:
        name: e.g. ``LIDAR_TOP``.
        points: how its files hold points.
        period_s: time of a turn; None takes the time from each sweep to the next.
        stamp: which moment of the turn the time stamp of a sweep names.
        deskewed: whether points are told in the lidar's frame at the time stamp, wherever the lidar was when each was
            measured. Otherwise points are where the turning lidar saw them, and are carried to the time stamp by the
            ego motion if they carry a time.
    """

    name: str
    points: PointLayout = PointLayout()
    period_s: float | None = None
    stamp: Literal['start', 'middle', 'end'] = 'end'
    deskewed: bool = True


@dataclass(frozen=True)
class Rig:
    """The sensors of a car.

    Attributes:
        lidars: the lidars.
        cameras: names of the cameras, in the order in which images are listed.
        own_box: (2, 3) lowest and highest corner of the car that carries the sensors, ego frame, metres.
    """

    lidars: tuple[Lidar, ...]
    cameras: tuple[str, ...]
    own_box: np.ndarray

    @classmethod
    def nuscenes(cls, cameras: Sequence[str] = CAMERAS) -> 'Rig':
        """The car of nuScenes; its box includes mirrors and a hand's breadth."""
        return cls((Lidar('LIDAR_TOP'),), tuple(cameras), np.array([(-1.2, -1.1, -0.2), (3.4, 1.1, 2.0)]))


class PointReader(Protocol):
    """Reads points that are in no files of their own. It goes to worker processes, so it must be picklable."""

    def __call__(self, sweep: int) -> tuple[np.ndarray, np.ndarray | None]:
        """Points of a sweep: (N, 4) float32 x, y, z (lidar frame, metres) and intensity (0 to 255), and (N,) float64
        seconds from the time stamp, None if not known.

        Raises:
            ValueError, OSError: they cannot be read; the message says why.
        """


@dataclass(frozen=True)
class OwnParts:
    """Places where the lidars see the car that carries them, beside its box.

    Attributes:
        cells: (L, N, N, N) bool, cells around each lidar of the rig, in its frame.
        low_m: lowest coordinate of the cells, on each axis.
        cell_m: edge of a cell.
    """

    cells: np.ndarray
    low_m: float
    cell_m: float


_NO_PARTS = OwnParts(np.zeros((1, 0, 0, 0), bool), 0.0, 1.0)


@dataclass(frozen=True)
class Scene:
    """A scene of K keyframes and S lidar sweeps (keyframes included), in order of time.

    Attributes:
        name: e.g. ``scene-0061``.
        dataroot: folder that file names start from.
        keyframes: the K keyframes.
        keyframe_sweeps: (K,) int64, the sweep whose lidar and time each keyframe has.
        sweep_files: the S files of lidar points.
        label_files: the S files with the category of each point, None where points have none.
        timestamps_us: (S,) int64.
        global_from_ego: (S, 4, 4) float64, at each sweep's own time.
        ego_from_lidar: (S, 4, 4) float64.
        tracks: the annotated boxes.
        cameras: the cameras of each keyframe.
        records: what the index of keyframes needs beside.
        rig: the sensors.
        taxonomy: the categories.
        lidars: (S,) int64, which lidar of the rig each sweep is of; None where there is one lidar.
        trajectory: poses of the car in between, where they are known better than from one sweep to the next. Only the
            motion within a sweep is taken from it.
        annotations: where boxes are known at other times than keyframes; `tracks` is what they are at keyframes.
        read_points: reads points where `sweep_files` names what they are part of, and not files of points.
        category_of: (256,) uint8 category of each number in label files, 255 for none; None where they are the same.
        left_out: sentences on input that was found and not used, or is missing, for the user.
        own_parts: where the lidars see their own car.
        annotated_sweeps: (A,) int64, the sweeps at which the recording is annotated, if labels are made at others, too;
            None where they are those of the keyframes.
    """

    name: str
    dataroot: Path
    keyframes: tuple[Keyframe, ...]
    keyframe_sweeps: np.ndarray
    sweep_files: tuple[str, ...]
    label_files: tuple[str | None, ...]
    timestamps_us: np.ndarray
    global_from_ego: np.ndarray
    ego_from_lidar: np.ndarray
    tracks: Tracks
    cameras: tuple[Cameras, ...] = ()
    records: tuple[KeyframeRecord, ...] = ()
    rig: Rig = field(default_factory=Rig.nuscenes)
    taxonomy: Taxonomy = field(default_factory=Taxonomy.nuscenes)
    lidars: np.ndarray | None = None
    trajectory: Trajectory | None = None
    annotations: Annotations | None = None
    read_points: PointReader | None = None
    category_of: np.ndarray | None = None
    left_out: tuple[str, ...] = ()
    own_parts: OwnParts = _NO_PARTS
    annotated_sweeps: np.ndarray | None = None

    def grid_from_global(self, k: int, frame: str) -> np.ndarray:
        """(4, 4) float64 into the frame ('lidar' or 'ego') of a grid that is fixed to keyframe k."""
        sweep = self.keyframe_sweeps[k]
        grid_from_ego = inverse(self.ego_from_lidar[sweep]) if frame == 'lidar' else np.eye(4)
        return grid_from_ego @ inverse(self.global_from_ego[sweep])

    def lidar(self, sweep: int) -> Lidar:
        """The lidar that a sweep is of."""
        return self.rig.lidars[0 if self.lidars is None else self.lidars[sweep]]

    @property
    def annotated(self) -> Annotations:
        """The boxes at all times at which they are known."""
        return self.annotations or Annotations(self.timestamps_us[self.keyframe_sweeps], self.tracks)

    @cached_property
    def motion(self) -> Trajectory:
        """Where the car was at any time."""
        return self.trajectory or Trajectory.through(self.timestamps_us, self.global_from_ego)

    def sweeps_of_lidars(self) -> list[np.ndarray]:
        """The sweeps of each lidar of the rig, in order of time."""
        if self.lidars is None:
            return [np.arange(len(self.sweep_files))]
        return [np.flatnonzero(self.lidars == lidar) for lidar in range(len(self.rig.lidars))]

    def own_cells(self, sweep: int) -> tuple[np.ndarray, float, float]:
        """Where the lidar of a sweep sees its own car: cells, lowest coordinate and edge, as in :class:`OwnParts`."""
        lidar = 0 if self.lidars is None or len(self.own_parts.cells) == 1 else self.lidars[sweep]
        return self.own_parts.cells[lidar], self.own_parts.low_m, self.own_parts.cell_m

    @property
    def step_sweeps(self) -> np.ndarray:
        """The sweeps whose time steps are even: those at which the recording is annotated."""
        return self.keyframe_sweeps if self.annotated_sweeps is None else self.annotated_sweeps

    @property
    def num_steps(self) -> int:
        """Number of time steps."""
        return 2 * len(self.step_sweeps) - 1

    def window(self, k: int, num_sweeps: int) -> tuple[int, int]:
        """First and last time step of the window from `num_sweeps` keyframes before keyframe k to as many after it."""
        step = int(self.time_steps[self.keyframe_sweeps[k]])
        return max(step - 2 * num_sweeps, 0), min(step + 2 * num_sweeps, self.num_steps - 1)

    @cached_property
    def time_steps(self) -> np.ndarray:
        """(S,) int64 time of each sweep in half steps: 2k at keyframe k, 2k + 1 between k and k + 1, else -1.

        Keyframes are the annotated ones.

        A sweep of another lidar than the keyframe's is at the keyframe if it is the nearest of its lidar, and nearer
        than half the time to the next one. None is before the first keyframe or after the last.
        """
        sweeps = np.arange(len(self.sweep_files))
        after = np.searchsorted(self.step_sweeps, sweeps)
        at_keyframe = np.isin(sweeps, self.step_sweeps)
        between = (after > 0) & (after < len(self.step_sweeps))
        steps = np.where(at_keyframe, 2 * after, np.where(between, 2 * after - 1, -1))
        if self.lidars is not None:
            self._add_other_lidars(steps, self.lidars)
        return steps

    def _add_other_lidars(self, steps: np.ndarray, lidars: np.ndarray) -> None:
        for lidar, sweeps in enumerate(self.sweeps_of_lidars()):
            times_us = self.timestamps_us[sweeps]
            first_us, last_us = self.timestamps_us[self.step_sweeps[[0, -1]]]
            steps[sweeps[(times_us < first_us) | (times_us > last_us)]] = -1
            half_turn_us = np.median(np.diff(times_us)) / 2 if len(sweeps) > 1 else np.inf
            for k, sweep in enumerate(self.step_sweeps):
                if lidars[sweep] != lidar and len(sweeps):
                    apart_us = np.abs(times_us - self.timestamps_us[sweep])
                    nearest = apart_us.argmin()
                    if apart_us[nearest] <= half_turn_us and first_us <= times_us[nearest] <= last_us:
                        steps[sweeps[nearest]] = 2 * k


class Scenes(Sequence[Scene]):
    """Scenes of a source, each loaded when it is asked for: all of a large data set do not fit into memory."""

    def __init__(self, source: 'SceneSource', names: Sequence[str] | None = None):
        self.source = source
        self.names = tuple(source.scene_names if names is None else names)

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index):
        if isinstance(index, slice):
            return Scenes(self.source, self.names[index])
        return self.source.load(self.names[index])


class SceneSource(Protocol):
    """Recordings of some kind: the tables of nuScenes, a folder, a data set that another library reads."""

    @property
    def version(self) -> str:
        """Name of the data, e.g. ``v1.0-trainval``; labels of two versions are not mixed."""

    @property
    def scene_names(self) -> Sequence[str]:
        """Names of the scenes."""

    @property
    def splits(self) -> Mapping[str, frozenset[str]]:
        """Names of the scenes of ``train`` and ``val``; a scene that neither names is for training."""

    @property
    def left_out(self) -> Sequence[str]:
        """Sentences on input that is of no scene, for the user."""

    def load(self, name: str) -> Scene:
        """A scene as plain arrays.

        Raises:
            ValueError, OSError: the recording does not describe the scene completely; the message names file and field.
        """


def load_all(source: SceneSource) -> tuple[list[Scene], dict[str, str]]:
    """The scenes of a source that can be loaded, and what is wrong with the others, by name."""
    scenes, broken = [], {}
    for name in source.scene_names:
        try:
            scenes.append(source.load(name))
        except FIXABLE as error:
            broken[name] = what_is_wrong(error)
    return scenes, broken


def tracks_of(records: Sequence[KeyframeRecord], taxonomy: Taxonomy) -> Tracks:
    """The boxes of a scene's keyframes as tracks, one an instance, in the order of their tokens.

    Raises:
        ValueError: a box has a category that the taxonomy does not know.
    """
    instances = sorted({token for record in records for token in record.boxes.instances})
    numbers = {token: number for number, token in enumerate(instances)}
    shape = (len(records), len(numbers))
    present, global_from_box = np.zeros(shape, bool), np.tile(np.eye(4), (*shape, 1, 1))
    sizes, categories = np.zeros((*shape, 3)), np.zeros(len(numbers), np.uint8)
    known = {name: index for index, name in enumerate(taxonomy.categories)}
    for k, record in enumerate(records):
        unknown = sorted(set(record.boxes.categories) - set(known))
        if unknown:
            raise UserError(f'the taxonomy has no category {", ".join(unknown)}, which boxes have')
        chosen = [numbers[token] for token in record.boxes.instances]
        present[k, chosen] = True
        global_from_box[k, chosen] = record.boxes.global_from_box
        sizes[k, chosen] = record.boxes.sizes
        categories[chosen] = [known[name] for name in record.boxes.categories]
    return Tracks(present, global_from_box, sizes, categories)


def cameras_of(record: KeyframeRecord) -> Cameras:
    """The cameras of a keyframe whose image size is known."""
    cameras = [camera for camera in record.cameras.values() if camera.size_px is not None]
    if not cameras:
        return Cameras(np.zeros((0, 4, 4)), np.zeros((0, 3, 3)), np.zeros((0, 2), np.int64))
    return Cameras(
        np.array([camera.global_from_ego @ camera.ego_from_camera for camera in cameras]),
        np.array([camera.camera_matrix for camera in cameras]),
        np.array([camera.size_px for camera in cameras]),
    )
