"""All thresholds of the check of labels."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class RayConfig:
    """Which rays are cast, and how far from its end a ray may stop.

    Attributes:
        rays: number of rays cast per sweep; more do not make the result more certain.
        sweeps: at most this many are used for each keyframe.
        reach_s: sweeps further from a keyframe in time are not used for it; a bit more than half a second,
            the time between keyframes of nuScenes.
        nearest_m, farthest_m: distance of the returns that count. Nearer returns may be on the own vehicle; further
            away even right labels are sparse.
        start_m: distance at which a ray starts, so that the own vehicle does not stop it.
        floor_m: lower points in a box may be the ground below the object, and are not counted.
        depth_m: a ray may stop this far before its end, or one voxel if voxels are larger: within the quantisation.
        beyond_m: how far a ray is followed behind its end to measure the error of its depth.
        gap_m: within this distance of a return a voxel must be occupied, else there is a hole.
        core: share of a voxel on each side that does not stop a ray: a surface need not fill its voxel.
        noise_m: how far from the surface of the labels a return may lie, for the noise of lidar and poses.
        slope: additional distance for each metre that the surface is extended, since voxels do not give its exact
            slope.
        passes: a voxel is empty if this many rays pass through it and none ended in it.
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
class GroundCheckConfig:
    """Whether the ground of different keyframes has the same height, and lies in one layer of labels.

    Attributes:
        cell_m: heights are compared in cells of this size.
        reach_m: distance from the lidar within which the ground is compared.
        returns: least number of returns in a cell.
        flat_m: how much the returns of a cell may differ in height, for it to be flat.
        keyframes: heights are compared with those of keyframes up to this far away.
        cells: least number that two keyframes must share to be compared.
        differ_m: a median difference that splits the ground into layers of voxels of 0.2 m.
        layers: ground labels that span this many voxels in height are in more than one layer.
        layered: share of columns with more than one layer from which on labels are wrong.
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
class BoxCheckConfig:
    """Whether boxes move with their points.

    Attributes:
        rays: least number that must end in a box at other times to judge it.
        agree: least share of them that must agree.
        moving_mps: slower objects are not used to measure the lag of boxes.
        points: least number of points in a box to measure its place.
        shell_m: points this close around a box should be inside, if they belong to the object.
        lags_s, step_s: lags that are tried, and their step.
        late_s: a lag that matters: 0.5 m at 36 km/h.
        slack: another time counts only if its box covers a larger share of the points, by this much.
        objects: least number of moving boxes for a lag.
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
    """Whether time stamps and calibration fit the poses.

    Attributes:
        jump_mps: largest plausible difference between the speed of one step between sweeps and that of the steps around
            it.
        camera_s: cameras fire within this time of the lidar.
        camera_m: how much a camera's place on the car may differ from keyframe to keyframe.
        moving_mps: a slower car does not show the time of its cameras.
        tilt_deg: the ground near the car may be tilted this much against the car, like a cambered road.
        drift: metres sideways or up per metre driven by which sweeps must be moved to align; 0.01 is 0.6 degrees.
        driven_m: least distance driven to measure it.
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
    """Limits for trusted labels, in percent.

    Attributes:
        agree: least share of rays that agree.
        early: most rays that are stopped early.
        objects: least share of the rays ending in boxes that agree, if there are `object_rays` or more.
        object_rays: fewer rays are not enough.
        bad_keyframes: largest share of keyframes that miss these limits.
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
    ground: GroundCheckConfig = field(default_factory=GroundCheckConfig)
    boxes: BoxCheckConfig = field(default_factory=BoxCheckConfig)
    timing: TimingConfig = field(default_factory=TimingConfig)
    trust: TrustConfig = field(default_factory=TrustConfig)
