"""One scene of a synthetic world: everything in it, with its place at any time.

Everything is built in the town frame; the global frame, in which nuScenes' tables are written, is turned and shifted
against it.
"""

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np

from project.geometry.rigid import inverse, rigid, yaw_rotation
from project.synthetic import scenery, traffic
from project.synthetic.bvh import Forest, Tree
from project.synthetic.crowd import EGO_SIZE, Actor, Crowd
from project.synthetic.models import Model, model
from project.synthetic.rig import KEYFRAME_US, RIGS, SCENE_US, START_US, SyntheticRig
from project.synthetic.routes import Motion
from project.synthetic.solids import Mesh
from project.synthetic.streets import Plan, make_plan
from project.synthetic.terrain import Ground, make_ground
from project.synthetic.world_settings import WorldSettings

GLOBAL_CENTRE = (300.0, 300.0)
"""Global coordinates of the middle of every town: all of it fits into a map of 600 m x 600 m."""


@dataclass(frozen=True, eq=False)
class SyntheticScene:
    """A scene. Times are seconds since its first keyframe, at the lidar's clock."""

    settings: WorldSettings
    index: int
    plan: Plan
    ground: Ground
    static: Mesh
    ego: Motion
    actors: tuple[Actor, ...]
    town_yaw: float
    drift: np.ndarray

    @property
    def rig(self) -> SyntheticRig:
        """The sensors of the ego car."""
        return RIGS[self.settings.rig]

    @cached_property
    def static_tree(self) -> Tree:
        """Tree over the static town."""
        return Tree.over(self.static.triangles)

    @cached_property
    def kinds(self) -> tuple[str, ...]:
        """Kinds that occur, sorted."""
        return tuple(sorted({actor.kind for actor in self.actors}))

    @cached_property
    def models(self) -> Mesh:
        """Meshes of all kinds that occur, in their own frames, one after the other."""
        return Mesh.join([model(kind).mesh for kind in self.kinds])

    @cached_property
    def model_forest(self) -> Forest:
        """Trees over the meshes of all kinds."""
        return Forest.of([Tree.over(model(kind).mesh.triangles) for kind in self.kinds])

    @cached_property
    def global_from_town(self) -> np.ndarray:
        """(4, 4) float64."""
        return rigid(yaw_rotation(self.town_yaw), (*GLOBAL_CENTRE, 0.0))

    def timestamp_us(self, time: float) -> int:
        """Time stamp of the tables, microseconds."""
        return START_US + self.index * SCENE_US + round(time * 1e6)

    def town_from_ego(self, time: float) -> np.ndarray:
        """True pose of the ego car, (4, 4) float64."""
        return self._on_ground(self.ego.at(time), EGO_SIZE)

    def global_from_ego(self, time: float) -> np.ndarray:
        """Pose of the ego car in the tables: true except for the difficulties that change it."""
        pose = self.global_from_town @ self.town_from_ego(time)
        if self.settings.difficulties.pose_noise:
            x, y, yaw = self._drift(time)
            pose = rigid(yaw_rotation(yaw) @ pose[:3, :3], pose[:3, 3] + (x, y, 0))
        if self.settings.difficulties.missing_z:
            pose[2, 3] = 0.0
        return pose

    def present(self, time: float) -> np.ndarray:
        """Indices of the actors that exist at a time."""
        return np.array([i for i, actor in enumerate(self.actors) if actor.present[0] <= time <= actor.present[1]], int)

    def town_from_actor(self, index: int, time: float) -> np.ndarray:
        """Pose of an actor's model frame, (4, 4) float64."""
        actor = self.actors[index]
        shape = model(actor.kind)
        tilts = shape.size[1] > 1.5
        return self._on_ground(actor.motion.at(time), shape.size[:2] if tilts else None)

    def town_from_actors(self, indices: np.ndarray, time: float) -> np.ndarray:
        """(N, 4, 4) float64 poses of actors."""
        return np.array([self.town_from_actor(index, time) for index in indices]).reshape(-1, 4, 4)

    def global_from_box(self, index: int, time: float) -> np.ndarray:
        """Pose of an actor's box in the tables: its true pose relative to the ego car, at the tables' ego pose."""
        box = self.town_from_actor(index, time) @ rigid(np.eye(3), self.shape(index).centre)
        return self.global_from_ego(time) @ inverse(self.town_from_ego(time)) @ box

    def shape(self, index: int) -> Model:
        """Model of an actor."""
        return model(self.actors[index].kind)

    def _on_ground(self, state: np.ndarray, footprint: tuple[float, float] | None) -> np.ndarray:
        """Pose of something at (x, y, yaw): upright, or leaning with the ground under its (width, length)."""
        x, y, yaw = state
        if footprint is None:
            return rigid(yaw_rotation(yaw), (x, y, self.ground.height(x, y)))
        forward, left = yaw_rotation(yaw)[:, 0], yaw_rotation(yaw)[:, 1]
        wheel_x, wheel_y = 0.33 * footprint[1] * forward, 0.4 * footprint[0] * left
        heights = np.array(
            [[self.ground.height(*(state[:2] + i * wheel_x[:2] + j * wheel_y[:2])) for j in (-1, 1)] for i in (-1, 1)]
        )
        forward = wheel_x + np.array([0, 0, (heights[1].mean() - heights[0].mean()) / 2])
        left = wheel_y + np.array([0, 0, (heights[:, 1].mean() - heights[:, 0].mean()) / 2])
        forward /= np.linalg.norm(forward)
        up = np.cross(forward, left)
        up /= np.linalg.norm(up)
        return rigid(np.stack([forward, np.cross(up, forward), up], axis=1), (x, y, heights.mean()))

    def _drift(self, time: float) -> np.ndarray:
        """Error (x, y, yaw) of the ego pose told: slow waves of 3 cm and 0.1 degrees."""
        waves = np.sin(2 * np.pi * time / self.drift[..., 0] + self.drift[..., 1]).sum(axis=0)
        return waves * (0.03, 0.03, np.radians(0.1))


@lru_cache(maxsize=2)
def build_scene(settings: WorldSettings, index: int) -> SyntheticScene:
    """A scene of a world; a pure function of its arguments."""
    plan_rng, lot_rng, ground_rng, ego_rng, static_rng, traffic_rng, frame_rng = (
        np.random.default_rng([settings.seed, index, purpose]) for purpose in range(7)
    )
    plan = make_plan(plan_rng)
    uses, lot_raw = scenery.choose_lots(lot_rng)
    ground = make_ground(plan, lot_raw, settings.difficulties.missing_z, ground_rng)
    duration = (settings.keyframes - 1) * KEYFRAME_US * 1e-6
    route = traffic.ego_route(plan, duration, ego_rng)
    ego = route.motion(plan, duration)
    near = ego.at(np.linspace(0, duration, 20))[:, :2]
    furniture = scenery.furnish(plan, lot_rng)
    static = scenery.build(plan, ground, uses, furniture, near, static_rng)
    obstacles = np.array([(each.x, each.y, scenery.FURNITURE_RADIUS) for each in furniture])
    quiet = settings.difficulties.quiet_start and index % 2 == 1
    quiet_until = min(2.0, 0.1 * duration + 0.2) if quiet else 0.0
    crowd = Crowd(plan, ego, duration, obstacles)
    for follower in traffic.followers(plan, route, duration, settings.followers):
        crowd.add(follower)
    actors = traffic.populate(crowd, settings.difficulties, quiet_until, settings.people, traffic_rng)
    drift = np.stack([frame_rng.uniform(2, 12, (2, 3)), frame_rng.uniform(0, 2 * np.pi, (2, 3))], axis=-1)
    return SyntheticScene(
        settings, index, plan, ground, static, ego, tuple(actors), float(frame_rng.uniform(0, 2 * np.pi)), drift
    )
