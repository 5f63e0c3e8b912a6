"""A recording as plain arrays, independent of its files: everything that label generation needs.

A source (:class:`SceneSource`) lists scenes and loads each as a :class:`Scene`. Sweeps of all lidars of the rig are in
one list, in order of time.
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
        present: (K, T) bool, whether the track is annotated at the keyframe; the other arrays are valid only there.
        global_from_box: (K, T, 4, 4) float64; the box's frame is at its centre, x forward, y left, z up.
        sizes: (K, T, 3) float64 length, width, height: extent along x, y, z of the box.
        categories: (T,) uint8 category of the taxonomy.
        chosen: (T,) int64, which tracks of the scene these are; None: all.
    """

    present: np.ndarray
    global_from_box: np.ndarray
    sizes: np.ndarray
    categories: np.ndarray
    chosen: np.ndarray | None = None

    @property
    def numbers(self) -> np.ndarray:
        """(T,) int64 number of each track in the scene."""
        return np.arange(len(self.categories)) if self.chosen is None else self.chosen


@dataclass(frozen=True)
class Annotations:
    """Boxes at A times, which may differ from those of keyframes: some data sets have boxes for every sweep.

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
    """The layout of a file of points.

    Attributes:
        columns: name of each column of a headerless ``.bin`` or a plain ``.npy``; other files state their names. ``x``,
            ``y`` and ``z`` are metres in the lidar frame.
        dtype: type of the numbers of a headerless ``.bin``, or one for each column; other files state their types.
        intensity: the column of the brightness of returns; intensity is 0 if there is none.
        intensity_max: intensity of the brightest return.
        time: the column of the time at which a point was measured.
        time_unit_s: seconds of one unit of it.
        time_zero: the zero of this column: the sweep's time stamp, or the epoch of time stamps.
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
        period_s: time of a turn; None: the time from each sweep to the next.
        stamp: which moment of the turn the time stamp of a sweep names.
        deskewed: whether points are given in the lidar's frame at the time stamp. If not, each point is in the lidar's
            frame at the time of its measurement, and is moved to the time stamp by the ego motion if points carry a
            time.
        turn_from_deg: azimuth at which a turn starts, counter-clockwise from the lidar's x axis; tells when points
            were measured if they carry no time, which needs `period_s`. None if not known.
        clockwise: sense of the turn, seen from above.
    """

    name: str
    points: PointLayout = PointLayout()
    period_s: float | None = None
    stamp: Literal['start', 'middle', 'end'] = 'end'
    deskewed: bool = True
    turn_from_deg: float | None = None
    clockwise: bool = True

    def turn_s(self, period_s: float) -> np.ndarray:
        """(2,) seconds from the time stamp of a sweep to the start and the end of its turn of `period_s`."""
        return period_s * np.array({'start': (0, 1), 'middle': (-0.5, 0.5), 'end': (-1, 0)}[self.stamp])


@dataclass(frozen=True)
class Rig:
    """The sensors of a car.

    Attributes:
        lidars: the lidars.
        cameras: names of the cameras, in the order of images.
        own_box: (2, 3) lowest and highest corner of the own vehicle, ego frame, metres.
    """

    lidars: tuple[Lidar, ...]
    cameras: tuple[str, ...]
    own_box: np.ndarray

    @classmethod
    def nuscenes(cls, cameras: Sequence[str] = CAMERAS) -> 'Rig':
        """The car of nuScenes; its box includes mirrors and a margin of 10 cm."""
        return cls((Lidar('LIDAR_TOP'),), tuple(cameras), np.array([(-1.2, -1.1, -0.2), (3.4, 1.1, 2.0)]))


class PointReader(Protocol):
    """Reads points that have no file of their own. It is sent to worker processes, so it must be picklable."""

    def __call__(self, sweep: int) -> tuple[np.ndarray, np.ndarray | None]:
        """Points of a sweep: (N, 4) float32 x, y, z (lidar frame, metres) and intensity (0 to 255), and (N,) float64
        seconds from the time stamp, None if not known.

        Raises:
            ValueError, OSError: they cannot be read; the message says why.
        """


@dataclass(frozen=True)
class OwnParts:
    """Places outside the box of the own vehicle where the lidars see the vehicle.

    Attributes:
        cells: (L, N, N, N) bool, cells around each lidar of the rig, in its frame.
        low_m: lowest coordinate of the cells, on each axis.
        cell_m: edge of a cell.
    """

    cells: np.ndarray
    low_m: float
    cell_m: float


_NO_PARTS = OwnParts(np.zeros((1, 1, 1, 1), bool), 0.0, 1.0)


@dataclass(frozen=True)
class Scene:
    """A scene of K keyframes and S lidar sweeps (keyframes included), in order of time.

    Attributes:
        name: e.g. ``scene-0061``.
        dataroot: folder that file names start from.
        keyframes: the K keyframes.
        keyframe_sweeps: (K,) int64, the sweep that gives each keyframe its lidar and time.
        sweep_files: the S files of lidar points.
        label_files: the S files with the category of each point, None if points have none.
        timestamps_us: (S,) int64.
        global_from_ego: (S, 4, 4) float64, at each sweep's own time.
        ego_from_lidar: (S, 4, 4) float64.
        tracks: the annotated boxes.
        cameras: the cameras of each keyframe.
        records: further data for the index of keyframes.
        rig: the sensors.
        taxonomy: the categories.
        lidars: (S,) int64, which lidar of the rig made each sweep; None if there is one lidar.
        trajectory: poses of the car at more times than those of sweeps. Only the motion within a sweep is taken from
            it.
        annotations: boxes at other times than keyframes; `tracks` has them at keyframes.
        read_points: reads points if `sweep_files` does not name files of points.
        category_of: (256,) uint8 category of each number in label files, 255 for none; None if they are the same.
        left_out: sentences for the user on input that is not used or is missing.
        own_parts: places where the lidars see the own vehicle.
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
        """The lidar that made a sweep."""
        return self.rig.lidars[0 if self.lidars is None else self.lidars[sweep]]

    @property
    def annotated(self) -> Annotations:
        """The boxes at all annotated times."""
        return self.annotations or Annotations(self.timestamps_us[self.keyframe_sweeps], self.tracks)

    @cached_property
    def motion(self) -> Trajectory:
        """Poses of the car at any time."""
        return self.trajectory or Trajectory.through(self.timestamps_us, self.global_from_ego)

    def sweeps_of_lidars(self) -> list[np.ndarray]:
        """The sweeps of each lidar of the rig, in order of time."""
        if self.lidars is None:
            return [np.arange(len(self.sweep_files))]
        return [np.flatnonzero(self.lidars == lidar) for lidar in range(len(self.rig.lidars))]

    def own_cells(self, sweep: int) -> tuple[np.ndarray, float, float]:
        """Places where the lidar of a sweep sees the own vehicle: cells, lowest coordinate and edge, as in
        :class:`OwnParts`."""
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
    """Scenes of a source, each loaded when it is used: those of a large data set do not fit into memory together."""

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
    """A source of recordings: nuScenes' tables, a folder, or a data set read by another library."""

    @property
    def version(self) -> str:
        """Name of the data, e.g. ``v1.0-trainval``; labels of two versions are not mixed."""

    @property
    def scene_names(self) -> Sequence[str]:
        """Names of the scenes."""

    @property
    def splits(self) -> Mapping[str, frozenset[str]]:
        """Names of the scenes of ``train`` and ``val``; a scene in neither is for training."""

    @property
    def left_out(self) -> Sequence[str]:
        """Sentences for the user on input that belongs to no scene."""

    def load(self, name: str) -> Scene:
        """A scene as plain arrays.

        Raises:
            ValueError, OSError: the recording does not describe the scene completely; the message names file and field.
        """


def load_all(source: SceneSource) -> tuple[list[Scene], dict[str, str]]:
    """The scenes of a source that can be loaded, and errors of the others, by name."""
    scenes, broken = [], {}
    for name in source.scene_names:
        try:
            scenes.append(source.load(name))
        except FIXABLE as error:
            broken[name] = what_is_wrong(error)
    return scenes, broken


def tracks_of(records: Sequence[KeyframeRecord], taxonomy: Taxonomy) -> Tracks:
    """The boxes of a scene's keyframes as tracks, one for each instance, in the order of their tokens.

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
