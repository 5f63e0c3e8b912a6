"""The lidar: every beam of a sweep is cast into the scene from where the sensor is when it fires."""

from dataclasses import dataclass
from functools import cache

import numpy as np
from numba import njit

from project.geometry.rigid import apply, inverse
from project.synthetic import rig
from project.synthetic.bvh import Tree, nearest
from project.synthetic.materials import REFLECTIVITY, Material
from project.synthetic.rig import SyntheticLidar
from project.synthetic.scene import SyntheticScene
from project.synthetic.solids import box, joined
from project.taxonomy import NOISE, RAW_EGO

STATIC, MISSED, EGO = -1, -2, -3
"""What a beam hit if it hit no actor."""

RANGE_SIGMA = 0.012
LOST = 0.015
"""Share of the returns that get lost for no visible reason."""
WEAKEST = 1.5
"""Reflectivity times cosine that is still seen at the full range; what is weaker, from nearer only."""


@dataclass(frozen=True)
class SyntheticReturns:
    """The hits of the beams of a sweep, firing by firing, 32 beams each, without noise.

    Attributes:
        origins: (N, 3) float64 town frame, where each beam starts.
        directions: (N, 3) float64 town frame, length one.
        ranges: (N,) float64 metres; 0 where nothing came back.
        actors: (N,) int64 index of the actor, or one of STATIC, MISSED, EGO.
        raw: (N,) uint8 lidarseg index of what was hit, noise where nothing came back.
        reflectance: (N,) float64 reflectivity times cosine of incidence.
    """

    origins: np.ndarray
    directions: np.ndarray
    ranges: np.ndarray
    actors: np.ndarray
    raw: np.ndarray
    reflectance: np.ndarray

    @property
    def points(self) -> np.ndarray:
        """(N, 3) float64 ends of the beams, town frame; where nothing came back, their origins."""
        return self.origins + self.ranges[:, None] * self.directions


@dataclass(frozen=True)
class SyntheticSweep:
    """The output of a lidar for a sweep of N returns.

    Attributes:
        points: (N, 5) float32 x, y, z (lidar frame at the end of the sweep, motion of the ego car compensated),
            intensity 0-255, ring.
        measured: (N, 3) float32 x, y, z in the lidar frame at the time of each.
        times_s: (N,) float64 when each was measured, from the end of the sweep; not above 0.
        raw: (N,) uint8 lidarseg index.
        visible: (A,) visible share of each actor.
    """

    points: np.ndarray
    measured: np.ndarray
    times_s: np.ndarray
    raw: np.ndarray
    visible: np.ndarray


def cast(
    scene: SyntheticScene, time: float, lidar: SyntheticLidar | None = None
) -> tuple[SyntheticReturns, np.ndarray]:
    """Cast the beams of the sweep that ends at a time; moving things are where they are at that time.

    Args:
        scene: the scene.
        time: end of the sweep, seconds.
        lidar: which lidar; by default the one that keyframes go by.

    Returns:
        The returns, and for each actor the number of beams that would have met it were nothing in the way, (A,).
    """
    lidar = lidar or scene.rig.reference
    poses = _poses(scene, time, lidar)
    directions = np.einsum('fij,fbj->fbi', poses[:, :3, :3], _directions())
    directions /= np.linalg.norm(directions, axis=2, keepdims=True)
    origins = poses[:, :3, 3].copy()

    present = scene.present(time)
    actors_from_town = np.array([inverse(m) for m in scene.town_from_actors(present, time)]).reshape(-1, 4, 4)
    kinds = np.array([scene.kinds.index(scene.actors[i].kind) for i in present], int)
    spheres = np.array(
        [
            (*apply(inverse(m), s.centre), np.linalg.norm(s.size) / 2)
            for m, s in zip(actors_from_town, map(scene.shape, present), strict=True)
        ]
    ).reshape(-1, 4)
    ranges, hits, owners = _cast_static(*scene.static_tree.arrays, origins, directions)
    forest = scene.model_forest
    azimuths = np.unwrap(np.arctan2(directions[:, 0, 1], directions[:, 0, 0]))
    free = _cast_actors(
        *forest.tree.arrays,
        forest.roots[kinds],
        actors_from_town,
        spheres,
        azimuths,
        origins,
        directions,
        ranges,
        hits,
        owners,
    )

    material, raw, cosines = np.zeros(hits.size, np.uint8), np.zeros(hits.size, np.uint8), np.zeros(hits.size)
    flat_hits, flat_owners, beams = hits.ravel(), owners.ravel(), directions.reshape(-1, 3)
    for mesh, tree, of_actor in ((scene.static, scene.static_tree, False), (scene.models, forest.tree, True)):
        mine = np.flatnonzero(flat_owners >= 0 if of_actor else flat_owners == STATIC)
        triangles = flat_hits[mine]
        material[mine], raw[mine] = mesh.material[tree.order[triangles]], mesh.raw[tree.order[triangles]]
        normals = np.cross(tree.triangles[triangles, 1], tree.triangles[triangles, 2])
        normals /= np.linalg.norm(normals, axis=1, keepdims=True)
        seen = beams[mine]
        if of_actor:
            seen = np.einsum('nij,nj->ni', actors_from_town[flat_owners[mine], :3, :3], seen)
        cosines[mine] = np.abs((normals * seen).sum(axis=1))
    flat_owners = np.where(flat_owners >= 0, present[flat_owners] if len(present) else flat_owners, flat_owners)
    returns = SyntheticReturns(
        np.repeat(origins, 32, axis=0), beams, ranges.ravel(), flat_owners, raw, REFLECTIVITY[material] * cosines
    )
    met = np.zeros(len(scene.actors), np.int64)
    met[present] = free
    return _without_weak_and_own(returns, lidar), met


def _poses(scene: SyntheticScene, time: float, lidar: SyntheticLidar) -> np.ndarray:
    """(FIRINGS, 4, 4) float64 town from lidar at each firing of the sweep that ends at a time."""
    ends = np.linspace(time - lidar.period_us * 1e-6, time, lidar.pieces + 1)
    poses = np.array([scene.town_from_ego(end) @ lidar.ego_from_lidar for end in ends])
    at = np.arange(1, rig.FIRINGS + 1) / rig.FIRINGS * lidar.pieces
    piece = np.minimum(at.astype(int), lidar.pieces - 1)
    return poses[piece] + (at - piece)[:, None, None] * (poses[piece + 1] - poses[piece])


def scan(scene: SyntheticScene, channel: str, number: int) -> SyntheticSweep:
    """The output of a lidar for a sweep.

    Args:
        scene: the scene.
        channel: the lidar's name.
        number: number of the sweep among those of the lidar.
    """
    lidar = scene.rig.lidars[channel]
    time = lidar.time(number)
    returns, met = cast(scene, time, lidar)
    of_lidar = 100 + list(scene.rig.lidars).index(channel)
    rng = np.random.default_rng([scene.settings.seed, scene.index, of_lidar, number])
    difficulties = scene.settings.difficulties
    noise = rng.normal(0, RANGE_SIGMA, len(returns.ranges)) * difficulties.range_noise
    lost = (rng.random(len(returns.ranges)) < LOST) & (returns.actors != EGO) & difficulties.missing_returns
    valid = (returns.actors != MISSED) & ~lost
    ranges = np.where(valid, returns.ranges + noise, 0.0)
    town = returns.origins + ranges[:, None] * returns.directions
    points = np.empty((len(town), 5), np.float32)
    points[:, :3] = apply(inverse(scene.town_from_ego(time) @ lidar.ego_from_lidar), town)
    brightness = returns.reflectance * rng.uniform(0.85, 1.15, len(town))
    points[:, 3] = np.where(valid, np.clip(np.round(brightness), 0, 255), rng.integers(0, 125, len(town)))
    points[:, 4] = np.tile(np.arange(32), rig.FIRINGS)
    raw = np.where(valid, returns.raw, NOISE).astype(np.uint8)
    seen = np.bincount(returns.actors[returns.actors >= 0], minlength=len(scene.actors)) / np.maximum(met, 1)
    kept = valid & (returns.actors != EGO) | difficulties.missing_returns
    measured = (ranges[:, None] * _directions().reshape(-1, 3)).astype(np.float32)
    times_s = (np.repeat(np.arange(1, rig.FIRINGS + 1), 32) / rig.FIRINGS - 1) * lidar.period_us * 1e-6
    return SyntheticSweep(points[kept], measured[kept], times_s[kept], raw[kept], seen)


def _directions() -> np.ndarray:
    """(FIRINGS, 32, 3) directions of the beams in the lidar frame, clockwise from the left."""
    azimuths = np.pi - 2 * np.pi * (np.arange(rig.FIRINGS) + 0.5) / rig.FIRINGS
    flat = np.cos(rig.BEAM_ELEVATIONS)
    return np.stack(
        np.broadcast_arrays(
            np.cos(azimuths)[:, None] * flat, np.sin(azimuths)[:, None] * flat, np.sin(rig.BEAM_ELEVATIONS)
        ),
        axis=-1,
    )


def _without_weak_and_own(returns: SyntheticReturns, lidar: SyntheticLidar) -> SyntheticReturns:
    """Returns with those left out that are too far or too weak, and with those from the ego car put in."""
    own = _own_ranges(lidar).ravel()
    reach = rig.MAX_RANGE * np.minimum(1, np.sqrt(returns.reflectance / WEAKEST))
    missed = (returns.actors == MISSED) | (returns.ranges > reach)
    is_own = own < np.where(missed, np.inf, returns.ranges)
    ranges = np.where(is_own, own, np.where(missed, 0.0, returns.ranges))
    actors = np.where(is_own, EGO, np.where(missed, MISSED, returns.actors))
    raw = np.where(is_own, RAW_EGO, np.where(missed, NOISE, returns.raw)).astype(np.uint8)
    return SyntheticReturns(
        returns.origins, returns.directions, ranges, actors, raw, np.where(is_own, 20.0, returns.reflectance)
    )


@cache
def _own_ranges(lidar: SyntheticLidar) -> np.ndarray:
    """(FIRINGS, 32) range at which each beam hits the ego car, infinity where it does not."""
    tree = Tree.over(joined([box(*lidar.roof, Material.METAL)]).triangles)
    directions = _directions()
    ranges, _, _ = _cast_static(*tree.arrays, np.zeros((rig.FIRINGS, 3)), directions)
    return ranges


@njit(cache=True)
def _cast_static(boxes, children, triangles, origins, directions):
    firings, beams = directions.shape[:2]
    ranges = np.full((firings, beams), np.inf)
    hits = np.full((firings, beams), -1)
    owners = np.full((firings, beams), MISSED)
    for f in range(firings):
        for b in range(beams):
            distance, hit = nearest(boxes, children, triangles, 0, origins[f], directions[f, b], 300.0)
            if hit >= 0:
                ranges[f, b], hits[f, b], owners[f, b] = distance, hit, STATIC
    return ranges, hits, owners


@njit(cache=True)
def _cast_actors(
    boxes, children, triangles, roots, actors_from_town, spheres, azimuths, origins, directions, ranges, hits, owners
):
    """Nearer hits on actors; returns how many beams meet each actor, whatever else is in their way."""
    firings, beams = directions.shape[:2]
    met = np.zeros(len(roots), np.int64)
    origin, direction = np.empty(3), np.empty(3)
    for a in range(len(roots)):
        m = actors_from_town[a]
        for f in range(firings):
            dx, dy, dz = spheres[a, 0] - origins[f, 0], spheres[a, 1] - origins[f, 1], spheres[a, 2] - origins[f, 2]
            # Beams of a firing lie in a plane that is nearly upright: those that point past the sphere are left out.
            across = dx * np.sin(azimuths[f]) - dy * np.cos(azimuths[f])
            along = dx * np.cos(azimuths[f]) + dy * np.sin(azimuths[f])
            radius = spheres[a, 3] + 0.05 * np.sqrt(dx * dx + dy * dy) * 0.2
            if abs(across) > radius or along < -radius:
                continue
            for b in range(beams):
                d = directions[f, b]
                nearest_point = dx * d[0] + dy * d[1] + dz * d[2]
                if dx * dx + dy * dy + dz * dz - nearest_point * nearest_point > spheres[a, 3] ** 2:
                    continue
                for k in range(3):
                    o = origins[f]
                    origin[k] = m[k, 0] * o[0] + m[k, 1] * o[1] + m[k, 2] * o[2] + m[k, 3]
                    direction[k] = m[k, 0] * d[0] + m[k, 1] * d[1] + m[k, 2] * d[2]
                distance, hit = nearest(boxes, children, triangles, roots[a], origin, direction, 300.0)
                if hit >= 0:
                    met[a] += 1
                    if distance < ranges[f, b]:
                        ranges[f, b], hits[f, b], owners[f, b] = distance, hit, a
    return met
