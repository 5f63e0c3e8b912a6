"""Every threshold of the check of labels."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class RayConfig:
    """Which rays are cast, and how far from its end a ray may stop.

    Attributes:
        rays: cast of each sweep; more of them settle no keyframe better.
        sweeps: judged at most at each keyframe.
        reach_s: sweeps further from a keyframe in time are not judged by its labels; a bit more than half a second,
            the time between keyframes of nuScenes.
        nearest_m, farthest_m: distance of the returns that count. What is nearer may be the own car; further away
            even right labels are sparse.
        start_m: where a ray starts to be looked at, so that the own car does not stop it.
        floor_m: what is lower in a box may be the ground that the object stands on, and is not counted.
        depth_m: a ray may stop so much before its end, and one voxel where those are larger: within the quantisation.
        beyond_m: how far a ray is followed behind its end to tell the error of its depth.
        gap_m: so far from a return something must be occupied, else there is a hole.
        core: share of a voxel on each side that does not stop a ray: a surface need not fill its voxel.
        noise_m: how far off the surface of the labels a return may lie, for the noise of lidar and poses.
        slope: how much further for each metre that the surface is extended, since voxels do not tell its slope.
        passes: so many rays through a voxel in which none ended tell that nothing is there.
    """

    rays: int = 6000
    sweeps: int = 3
    reach_s: float = 0.55
    nearest_m: float = 2.0
    farthest_m: float = 40.0
    start_m: float = 1.5
    floor_m: float = 0.25
    depth_m: float = 0.25
    beyond_m: float = 3.0
    gap_m: float = 0.2
    core: float = 0.25
    noise_m: float = 0.05
    slope: float = 0.01
    passes: int = 4


@dataclass(frozen=True)
class GroundConfig:
    """Whether the ground seen at different keyframes meets, and lies in one layer of labels.

    Attributes:
        cell_m: heights are compared in cells of this size.
        reach_m: of the ground that is compared, from the lidar.
        returns: least number of a cell.
        flat_m: how much the returns of a cell may differ in height, for it to be flat.
        keyframes: heights are compared with those of keyframes so far away.
        cells: least number that two keyframes must share to be compared.
        differ_m: a median difference that splits the ground into layers of voxels of 0.2 m.
        layers: labels of ground that span so many voxels in height are in more than one layer.
        layered: share of columns with more than one layer that is not right any more.
    """

    cell_m: float = 1.0
    reach_m: float = 25.0
    returns: int = 3
    flat_m: float = 0.1
    keyframes: int = 4
    cells: int = 20
    differ_m: float = 0.1
    layers: int = 3
    layered: float = 0.15


@dataclass(frozen=True)
class BoxConfig:
    """Whether boxes move with their points.

    Attributes:
        rays: least number that must end in a box at other times to judge it.
        agree: least share of them that must agree.
        moving_mps: slower objects do not tell at what time their boxes were drawn.
        points: least number in a box that tell where it should be.
        shell_m: what lies so close around a box should be in it, if it is of the object.
        lags_s, step_s: times by which boxes may be late or early that are tried.
        late_s: a lag that matters: 0.5 m at 36 km/h.
        slack: share of the points in and around a box by which another time must cover them better, to count.
        objects: least number of moving boxes that tell a lag.
    """

    rays: int = 30
    agree: float = 0.7
    moving_mps: float = 2.0
    points: int = 20
    shell_m: float = 0.5
    lags_s: float = 0.4
    step_s: float = 0.025
    late_s: float = 0.05
    slack: float = 0.05
    objects: int = 8


@dataclass(frozen=True)
class TimingConfig:
    """Whether times and calibration fit the poses.

    Attributes:
        jump_mps: speed of a single step between sweeps that differs so much from that of those around it is none of a
            car.
        camera_s: cameras fire within this time of the lidar.
        camera_m: how much a camera's place on the car may differ from keyframe to keyframe.
        moving_mps: a slower car does not tell the time of its cameras.
        tilt_deg: the ground near the car may lean so much against the car, as a cambered road does.
        drift: metres sideways or up for each metre driven, by which sweeps must be moved to meet; 0.01 is 0.6 degrees.
        driven_m: least way that tells it.
    """

    jump_mps: float = 3.0
    camera_s: float = 0.12
    camera_m: float = 0.1
    moving_mps: float = 2.0
    tilt_deg: float = 2.5
    drift: float = 0.01
    driven_m: float = 15.0


@dataclass(frozen=True)
class TrustConfig:
    """When labels are trusted, in percent.

    Attributes:
        agree: least share of rays that agree.
        early: most rays that are stopped early.
        objects: least share of the rays that end in boxes that agree, where there are `object_rays` or more.
        object_rays: fewer of them tell little.
        bad_keyframes: most keyframes that are below these.
    """

    agree: float = 85.0
    early: float = 12.0
    objects: float = 70.0
    object_rays: int = 1000
    bad_keyframes: float = 10.0


@dataclass(frozen=True)
class CheckConfig:
    """All thresholds."""

    rays: RayConfig = field(default_factory=RayConfig)
    ground: GroundConfig = field(default_factory=GroundConfig)
    boxes: BoxConfig = field(default_factory=BoxConfig)
    timing: TimingConfig = field(default_factory=TimingConfig)
    trust: TrustConfig = field(default_factory=TrustConfig)
