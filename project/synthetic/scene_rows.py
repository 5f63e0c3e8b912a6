"""The rows of one scene in nuScenes' tables."""

import numpy as np

from project.geometry.rigid import quaternion
from project.synthetic import rig
from project.synthetic.nuscenes_tables import link, pose_row, token, visibility_token
from project.synthetic.scene import SyntheticScene
from project.taxonomy import RAW_NAMES

ANNOTATED_RANGE = 75.0
"""Objects farther from the ego car have no boxes yet, or no more."""

VEHICLE = 'n901'


def log_name(scene: SyntheticScene) -> str:
    """Name of the scene's log, which starts its file names."""
    return f'{VEHICLE}-2018-07-24-{scene.index // 60:02d}-{scene.index % 60:02d}-00+0800'


def keyframe_time(keyframe: int) -> float:
    """Seconds since the first keyframe."""
    return keyframe * rig.KEYFRAME_US * 1e-6


def sweeps_between(scene: SyntheticScene, first: int, last: int) -> list[tuple[str, int]]:
    """Channel and number of all sweeps that are of a keyframe, of a later one, or in between."""
    return [
        (channel, sweep)
        for channel, lidar in scene.rig.lidars.items()
        for keyframe in range(first, last + 1)
        for sweep in lidar.sweeps_until(keyframe)
        if keyframe > first or lidar.is_keyframe(sweep)
    ]


def data_token(scene: SyntheticScene, channel: str, timestamp_us: int) -> str:
    """Token of a sensor reading."""
    return token(scene.settings.seed, scene.settings.names[scene.index], channel, timestamp_us)


def file_name(scene: SyntheticScene, channel: str, timestamp_us: int, keyframe: bool) -> str:
    """Path of a sensor reading's file below the world's folder."""
    ending = 'pcd.bin' if channel in scene.rig.lidars else 'jpg'
    return f'{"samples" if keyframe else "sweeps"}/{channel}/{log_name(scene)}__{channel}__{timestamp_us}.{ending}'


def tracks(scene: SyntheticScene) -> dict[int, range]:
    """Keyframes at which each annotated actor has a box: from the first to the last at which it exists nearby."""
    found = {}
    times = [keyframe_time(keyframe) for keyframe in range(scene.settings.keyframes)]
    ego = scene.ego.at(np.array(times))
    for index, actor in enumerate(scene.actors):
        distance = np.hypot(*(actor.motion.at(np.array(times)) - ego)[:, :2].T)
        exists = [actor.present[0] <= time <= actor.present[1] for time in times]
        where = np.flatnonzero((distance < ANNOTATED_RANGE) & exists)
        if actor.annotated and len(where):
            found[index] = range(int(where[0]), int(where[-1]) + 1)
    return found


def scene_rows(scene: SyntheticScene, counts: list[tuple[np.ndarray, np.ndarray]]) -> dict[str, list[dict]]:
    """Rows of a scene.

    Args:
        scene: the scene.
        counts: for each keyframe, (A,) lidar points in each actor's box and (A,) visible share of each.
    """
    name, seed = scene.settings.names[scene.index], scene.settings.seed
    samples = [
        dict(
            token=token(seed, name, 'sample', keyframe),
            timestamp=scene.timestamp_us(keyframe_time(keyframe)),
            scene_token=token(seed, name),
        )
        for keyframe in range(scene.settings.keyframes)
    ]
    link(samples)
    log_token = token(seed, name, 'log')
    rows: dict[str, list[dict]] = {
        'log': [
            dict(
                token=log_token,
                logfile=log_name(scene),
                vehicle=VEHICLE,
                date_captured='2018-07-24',
                location=f'town-{name}',
            )
        ],
        'map': [
            dict(
                token=token(seed, name, 'map'),
                category='semantic_prior',
                filename=map_file(scene),
                log_tokens=[log_token],
            )
        ],
        'scene': [
            dict(
                token=token(seed, name),
                log_token=log_token,
                nbr_samples=len(samples),
                name=name,
                description='Made town',
                first_sample_token=samples[0]['token'],
                last_sample_token=samples[-1]['token'],
            )
        ],
        'sample': samples,
    }
    return {**rows, **_readings(scene, samples), **_annotations(scene, samples, counts)}


def map_file(scene: SyntheticScene) -> str:
    """Path of the scene's map below the world's folder."""
    return f'maps/{token(scene.settings.seed, scene.settings.names[scene.index], "map")}.png'


def _readings(scene: SyntheticScene, samples: list[dict]) -> dict[str, list[dict]]:
    """Rows of sample_data, ego_pose and lidarseg."""
    lidars: dict[str, list] = {channel: [] for channel in scene.rig.lidars}
    cameras: dict[str, list] = {channel: [] for channel in scene.rig.cameras}
    for keyframe, sample in enumerate(samples):
        for channel, lidar in scene.rig.lidars.items():
            # A sweep between keyframes belongs to the keyframe that follows.
            for sweep in lidar.sweeps_until(keyframe):
                time = lidar.time(sweep)
                lidars[channel].append((_reading(scene, channel, time, sample, lidar.is_keyframe(sweep)), time))
        for channel, camera in scene.rig.cameras.items():
            time = keyframe_time(keyframe) + camera.delay_us * 1e-6
            cameras[channel].append((_reading(scene, channel, time, sample, True), time))
    readings = [*lidars.values(), *cameras.values()]
    for chain in readings:
        link([row for row, _ in chain])
    flat = [entry for chain in readings for entry in chain]
    labelled = [row['token'] for chain in lidars.values() for row, _ in chain if row['is_key_frame']]
    return {
        'sample_data': [row for row, _ in flat],
        'ego_pose': [pose_row(row['token'], row['timestamp'], scene.global_from_ego(time)) for row, time in flat],
        'lidarseg': [
            dict(token=name, sample_data_token=name, filename=lidarseg_file(scene, name)) for name in labelled
        ],
    }


def lidarseg_file(scene: SyntheticScene, lidar_token: str) -> str:
    """Path of a keyframe's lidarseg file below the world's folder."""
    return f'lidarseg/{scene.settings.version}/{lidar_token}_lidarseg.bin'


def _reading(scene: SyntheticScene, channel: str, time: float, sample: dict, is_key: bool) -> dict:
    stamp = scene.timestamp_us(time)
    name = data_token(scene, channel, stamp)
    camera = scene.rig.cameras.get(channel)
    width, height = camera.size_px(scene.settings.image_size) if camera else (0, 0)
    return dict(
        token=name,
        sample_token=sample['token'],
        ego_pose_token=name,
        calibrated_sensor_token=token('calibrated_sensor', channel),
        timestamp=stamp,
        fileformat='jpg' if camera else 'pcd',
        is_key_frame=is_key,
        height=height,
        width=width,
        filename=file_name(scene, channel, stamp, is_key),
    )


def _annotations(scene: SyntheticScene, samples: list[dict], counts: list) -> dict[str, list[dict]]:
    instances, annotations = [], []
    name, seed = scene.settings.names[scene.index], scene.settings.seed
    for index, keyframes in tracks(scene).items():
        instance, shape = token(seed, name, 'instance', index), scene.shape(index)
        chain = []
        for keyframe in keyframes:
            pose = scene.global_from_box(index, keyframe_time(keyframe))
            points, visible = counts[keyframe]
            chain.append(
                dict(
                    token=token(seed, name, 'annotation', index, keyframe),
                    sample_token=samples[keyframe]['token'],
                    instance_token=instance,
                    visibility_token=visibility_token(float(visible[index])),
                    attribute_tokens=_attributes(scene, index, keyframe_time(keyframe)),
                    translation=pose[:3, 3].tolist(),
                    size=[float(edge) for edge in shape.size],
                    rotation=quaternion(pose[:3, :3]),
                    num_lidar_pts=int(points[index]),
                    num_radar_pts=0,
                )
            )
        link(chain)
        annotations += chain
        instances.append(
            dict(
                token=instance,
                category_token=token('category', RAW_NAMES[shape.raw]),
                nbr_annotations=len(chain),
                first_annotation_token=chain[0]['token'],
                last_annotation_token=chain[-1]['token'],
            )
        )
    return {'instance': instances, 'sample_annotation': annotations}


def _attributes(scene: SyntheticScene, index: int, time: float) -> list[str]:
    actor, category = scene.actors[index], RAW_NAMES[scene.shape(index).raw]
    before, after = actor.motion.at(np.array([time - 0.1, time + 0.1]))
    moving = np.hypot(*(after - before)[:2]) > 0.02
    if category in ('vehicle.bicycle', 'vehicle.motorcycle'):
        return [token('attribute', 'cycle.with_rider' if actor.kind.endswith('cyclist') else 'cycle.without_rider')]
    if category.startswith('vehicle'):
        return [token('attribute', f'vehicle.{"moving" if moving else "parked" if actor.parked else "stopped"}')]
    if category.startswith('human'):
        return [token('attribute', f'pedestrian.{"moving" if moving else "standing"}')]
    return []
