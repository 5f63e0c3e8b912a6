"""Every threshold of label generation, with its unit and its reason.

Sections are named tuples of plain numbers, so that compiled loops take them as they are. ``settings.json`` states all
of them. To label with other values: ``DEFAULT._replace(boxes=BoxConfig(margin_m=0.2))``.
"""

from typing import NamedTuple


class PoseConfig(NamedTuple):
    """Correction of ego poses by registration.

    Attributes:
        apart_s: between keyframes, sweeps this far apart are registered; the others are corrected like these.
        unsteady_m: if the corrections of successive motions differ by more than this (root mean square, of what is
            `seen_m` away), all sweeps are registered.
        uncertainty_m: poses that registration would move by less stay as they are, byte for byte: it is no more exact.
        ground_apart_m: unless the ground that different keyframes see in a square metre then lies closer together by
            more than this; by exact poses it lies 2 mm apart.
        seen_m: distance from the car at which a change of pose is measured.
        seen_keyframes: poses are compared between keyframes up to this many apart, as in a window.
        reach_m: points further away are left out: single rings hit little of a surface there.
        thinned_m: one point is kept in each cell of this size.
        ground_step_m: ground is at most this much above the lowest point of its square metre.
        ground_rise_m: ground is at most this much above the lowest points of the square metres around. Near the car, it
            is at most this far from the height that most of the ground has.
        ground_slope: the ground may be further off with distance, by this times the distance.
        map_cell_m: edge of the cells of the map. Each has one plane of ground, or one line of wall as seen from above.
        level_m: ground this much higher is another road, as on a bridge.
        fading_m: a point this far away counts half: there the error from angles is as large as that from positions.
        ground_noise_m: how far points stray from the plane of their cell of ground, beyond what the cell shows.
        wall_noise_m: the same for the line of a wall.
        fits_m: a point this far from the surface of its cell counts a quarter, in the last steps.
        fits_at_first_m: the same in the first steps, when poses may be that wrong.
        min_points: fewer points, in a sweep or where it overlaps the map, are too few to find a pose.
        given_rotation_deg: error of roll, pitch and yaw of given poses, from sweep to sweep (one sigma).
        given_horizontal_m: the same for x and y.
        given_height_m: the same for z.
        jump: given motions that seem wrong by more than this many sigmas get less weight.
        bad_fit: a sweep has a bad fit if fewer of its wall points lie on surfaces than this share of the usual.
        search_m: a sweep with a bad fit is searched for this far to every side.
        look_around_m: all other sweeps are searched for this far, since given poses may jump by little as well.
        search_step_m: step of both searches.
        independent: share of a sweep's points that count as independent measurements; the others add nothing new.
        rounds: how often each sweep is registered to all others, after it was registered to those before it.
    """

    apart_s: float = 0.25
    unsteady_m: float = 0.05
    uncertainty_m: float = 0.03
    ground_apart_m: float = 0.01
    seen_m: float = 20.0
    seen_keyframes: int = 10
    reach_m: float = 50.0
    thinned_m: float = 0.5
    ground_step_m: float = 0.15
    ground_rise_m: float = 0.3
    ground_slope: float = 0.06
    map_cell_m: float = 1.0
    level_m: float = 4.0
    fading_m: float = 40.0
    ground_noise_m: float = 0.03
    wall_noise_m: float = 0.05
    fits_m: float = 0.125
    fits_at_first_m: float = 0.5
    min_points: int = 200
    given_rotation_deg: float = 0.1
    given_horizontal_m: float = 0.05
    given_height_m: float = 0.1
    jump: float = 4.0
    bad_fit: float = 0.6
    search_m: float = 3.0
    look_around_m: float = 1.0
    search_step_m: float = 0.5
    independent: float = 0.1
    rounds: int = 2


class SweepConfig(NamedTuple):
    """Reading of sweeps.

    Attributes:
        near_m: returns nearer to the lidar are no-returns, at the origin, or the car that carries it.
    """

    near_m: float = 1.0


class OwnVehicleConfig(NamedTuple):
    """Returns on the car itself outside the own car's box of the rig.

    Attributes:
        reach_m: radius around the lidar, which is on a roof, in which they are searched: mirrors, bonnet, rear.
        cell_m: edge of the cells of the lidar's frame that are judged.
        moved_m: sweeps are compared if the car has moved this far between them; a standing car shows nothing.
        min_sweeps: with fewer such sweeps nothing is decided.
        max_sweeps: at most this many are read.
        share: parts of the car are hit in at least this share of these sweeps.
        above_m: parts of the car are this far above the ground around, which seems to stay put as well.
        seen_m: sweeps up to this far away show whether rays pass through a place once the car has left it.
        beyond_m: a ray passed through a place if its return is this far beyond it.
    """

    reach_m: float = 4.0
    cell_m: float = 0.2
    moved_m: float = 1.0
    min_sweeps: int = 8
    max_sweeps: int = 40
    share: float = 0.5
    above_m: float = 0.3
    seen_m: float = 12.0
    beyond_m: float = 0.5


class BoxConfig(NamedTuple):
    """Points in annotated boxes.

    Attributes:
        margin_m: annotators draw boxes tightly; points this far outside still belong to the object.
    """

    margin_m: float = 0.1


class TileConfig(NamedTuple):
    """How much of the world around the path of the car is kept.

    Attributes:
        reach_m: horizontal reach of a keyframe's labels: the corner of the widest format, +-60 m.
        height_m: vertical reach: the +-10 m of that format, and one metre for the tilt of the car.
    """

    reach_m: float = 86.0
    height_m: float = 11.0


class GroundPointConfig(NamedTuple):
    """Ground in sweeps whose points have no labels.

    Attributes:
        reach_m: horizontal distance from the car up to which ground is looked for.
        cell_m: edge of the finest cells; the lowest point of each is taken for the ground.
        levels: number of coarser levels, each with cells twice as large.
        start_m: the height of the ground at the start is found from the lowest points of cells this close to the car.
        start_percent: it is this percentile of them: most of them are on the ground, and some in ditches.
        plane_m: the first plane is fitted to the ground this close to the car.
        plane_rounds: how often points are weighted again for that plane.
        tolerance_m: points this far above the current ground have a quarter of their weight; more at coarser levels.
        stiffness: weight of the difference between neighbouring cells, that of a point being 1.
        rounds: how often points are weighted again at each level.
        relaxations: how often the surface is relaxed in each round.
        thickness_m: points this close to the ground are ground.
        thickness_in_box_m: in boxes only points lower than this are, since the lowest parts of objects are there.
    """

    reach_m: float = 90.0
    cell_m: float = 1.0
    levels: int = 4
    start_m: float = 12.0
    start_percent: float = 30.0
    plane_m: float = 40.0
    plane_rounds: int = 6
    tolerance_m: float = 0.2
    stiffness: float = 0.5
    rounds: int = 2
    relaxations: int = 5
    thickness_m: float = 0.2
    thickness_in_box_m: float = 0.03


class GroundConfig(NamedTuple):
    """The map of the ground.

    Attributes:
        reach_m: how far along the ground its class and height are carried.
        steepness: ground one centimetre above or below a point counts as this many centimetres along the ground.
        step_as_m: no difference in height counts for more: where wrong poses leave ground in layers, x and y decide.
        smoothness_m: standard deviation of the smoothing of distances to classes; true borders are straighter than
            lines halfway between scattered points.
    """

    reach_m: float = 5.0
    steepness: float = 15.0
    step_as_m: float = 1.0
    smoothness_m: float = 0.5


class LabelMistakeConfig(NamedTuple):
    """Points in boxes that lidarseg calls ground although the ground lies lower.

    Attributes:
        square_m: edge of the squares, as seen from above, that each have one height of the ground.
        bump_m: ground that rises and falls again within less than this is no ground: a car is 2 m wide, and lidarseg
            strays around it. Crests of roads are longer.
        floating_m: a point in a box that is this much above the ground belongs to the object; kerbs are lower.
    """

    square_m: float = 1.0
    bump_m: float = 5.0
    floating_m: float = 0.2


class PropagationConfig(NamedTuple):
    """Categories of points between keyframes.

    Attributes:
        surely_ground_m: a point this little above the ground is ground, whatever is there.
        nearly_ground_m: a point this little above the ground is ground unless something else was labelled there.
        reach_m: how far other static categories are carried.
        object_cell_m: cells of the box frame in which keyframes have seen the object.
    """

    surely_ground_m: float = 0.04
    nearly_ground_m: float = 0.15
    reach_m: float = 1.0
    object_cell_m: float = 0.2


class DenoisingConfig(NamedTuple):
    """Range noise on flat surfaces.

    Attributes:
        cell_m: edge of the cells in which a surface may be flat.
        min_points: fewer points are too few for a plane.
        max_thickness_m: largest root mean square distance from the plane at which points count as noise around it;
            range noise of a lidar is about 2 cm.
        min_object_m: objects no longer than this, such as pedestrians and cones, have no flat parts of that size.
    """

    cell_m: float = 0.5
    min_points: int = 8
    max_thickness_m: float = 0.04
    min_object_m: float = 1.0


class DynamicRemovalConfig(NamedTuple):
    """Points of movers without a box: rays of other times pass through their places.

    Attributes:
        cell_m: edge of the cells that are judged, along x and y.
        layer_m: height of the cells: rings of a lidar pass closely over low objects, and a taller cell would hold both.
        below_m: cells begin this far below the lowest ground around.
        period_s: the rays of one sweep per this many seconds are cast.
        reach_m: rays count up to this distance; farther away the rings of a lidar miss small objects.
        rays: this many must pass through a cell in a moment for it to be clear, at most 3; a single one may be noise.
        clear_share: a cell is dynamic if the moments in which it is clear are at least this share of those in which
            points lie in it. Static cells of synthetic worlds are wrongly clear in one moment at most.
        max_dynamic_ratio: a cell stays static if, among the 26 cells around it, the dynamic ones are fewer than this
            number times the static ones.
        rim_neighbours: a cell that rays passed, but that was not clear, is dynamic if this many of the 26 cells around
            it are.
        stray_moments: rays need not have passed through a cell beside dynamic ones if points lay in it in at most this
            many moments: a mover is soon gone.
        stray_neighbours: it is dynamic if this many of the 26 cells around it are.
        stray_ratio: and if these are at least this number times the static ones around it; with 0.5 walls beside trails
            lose voxels.
    """

    cell_m: float = 0.4
    layer_m: float = 0.15
    below_m: float = 1.0
    period_s: float = 0.2
    reach_m: float = 40.0
    rays: int = 3
    clear_share: float = 0.33
    max_dynamic_ratio: float = 1.0
    rim_neighbours: int = 4
    stray_moments: int = 3
    stray_neighbours: int = 3
    stray_ratio: float = 0.7


class VisibilityConfig(NamedTuple):
    """Which voxels lidar and cameras observe.

    Attributes:
        longest_turn_s: no lidar turns as slowly; sweeps further apart are not successive turns.
        same_ray_m: of the rays from one cell of this size to another only the first is kept; as fine as the finest
            format.
        ground_gap_m: how far the ground may continue from labelled ground, between the rings of the lidar.
        rays_per_voxel: camera rays along each side of a voxel, where rays end.
        rays_per_far_voxel: the same for the voxel that is farthest away.
    """

    longest_turn_s: float = 0.25
    same_ray_m: float = 0.2
    ground_gap_m: float = 1.2
    rays_per_voxel: int = 3
    rays_per_far_voxel: int = 2


class VotingConfig(NamedTuple):
    """Voxels that a vehicle and the ground share.

    Attributes:
        ground_share: what a vehicle must have in a voxel, as a share of the sub-cells of the ground.
        min_cells: and this many sub-cells (of 4 x 4 x 4) more; the ground fills a voxel even where few rays met it.
    """

    ground_share: float = 0.5
    min_cells: float = 8.0


class CompletionConfig(NamedTuple):
    """Holes in surfaces, filled only when asked for.

    Attributes:
        ground_gap_m: ground goes on between two places with ground that are at most so far apart.
        max_step: and whose levels differ by at most so many voxels.
        min_directions: in how many of four directions such ground must lie on both sides.
        standing_m: what stands this much above the ground, or lower, ends the ground.
        flat_gap: free voxels in a row, in a flat surface.
    """

    ground_gap_m: float = 5.0
    max_step: int = 1
    min_directions: int = 2
    standing_m: float = 1.0
    flat_gap: int = 2


class LabelConfig(NamedTuple):
    """All thresholds; each section belongs to one step."""

    poses: PoseConfig = PoseConfig()
    sweeps: SweepConfig = SweepConfig()
    own_vehicle: OwnVehicleConfig = OwnVehicleConfig()
    boxes: BoxConfig = BoxConfig()
    tiles: TileConfig = TileConfig()
    ground_points: GroundPointConfig = GroundPointConfig()
    ground: GroundConfig = GroundConfig()
    label_mistakes: LabelMistakeConfig = LabelMistakeConfig()
    propagation: PropagationConfig = PropagationConfig()
    denoising: DenoisingConfig = DenoisingConfig()
    dynamic_removal: DynamicRemovalConfig = DynamicRemovalConfig()
    visibility: VisibilityConfig = VisibilityConfig()
    voting: VotingConfig = VotingConfig()
    completion: CompletionConfig = CompletionConfig()

    def as_dict(self) -> dict[str, dict[str, float]]:
        """As JSON can hold it."""
        return {name: section._asdict() for name, section in self._asdict().items()}


DEFAULT = LabelConfig()
"""The values that every figure in the documentation was measured with."""
