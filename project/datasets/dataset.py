"""Keyframes of nuScenes with the cameras' images and occupancy labels."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np
from mmdet3d.registry import DATASETS, TRANSFORMS
from mmengine.dataset import BaseDataset

from project.datasets.labels import LoadOccupancyLabels
from project.errors import UserError, shown
from project.formats import infos
from project.label_set import LabelSet
from project.storage.eviction import bytes_of
from project.storage.mounts import CacheChoice, is_url, mirror_at, mounted, soon
from project.taxonomy import CLASSES

FRAMES = ('lidar', 'ego')


@DATASETS.register_module()
class NuScenesOccupancyDataset(BaseDataset):
    """Keyframes from an index that ``data_converter.py`` wrote, each with the keyframes before it.

    A keyframe enters the pipeline as a dict with

    - ``image_files``: T lists of N files, oldest keyframe first; ``image_sizes``: (height, width) of each as the index
      states it, or (None, None);
    - ``lidar2img``: (T, N, 4, 4) float64, homogeneous pixels from the grid's frame at each keyframe;
    - ``global_from_grid``: (T, 4, 4) float64, pose of that frame; ``frame``: its name;
    - ``frame_exists``: (T,) bool, False before the start of the scene, where its first keyframe is used instead;
    - ``frame_tokens``: T tokens of these keyframes;
    - ``occupancy_path``: file of each label format below ``label_root``;
    - ``cameras``: names of the N cameras; ``category_labels``: label of each category, as the index states it;
    - ``sample_token``, ``scene_name``, ``timestamp`` (s), ``data_root``.

    Args:
        ann_file: index of keyframes, absolute or below `data_root`.
        data_root: folder of nuScenes, or its URL.
        data_prefix: below `data_root`, the folder that paths of images start from (``img``, by default the
            `data_root` itself), and the folder of the labels (``occupancy``); either may be a URL.
        frame: frame of the model's grid and of the labels, ``'lidar'`` or ``'ego'``.
        queue_length: number T of keyframes that the model sees, the present one included.
        earlier_images: False if the model finds the earlier frames among the other samples of the batch, as those of
            :class:`~project.datasets.clips.OccupancyClipSampler` have them. There are images, ``lidar2img`` and
            ``global_from_grid`` of the present keyframe only then.
        cameras: names, in the order the model sees; by default all of the index, in the order that it states.
        cache: folder for copies of files at URLs, shared by processes and kept; by default a temporary one.
        cache_size: what was not used for longest is removed from the copies beyond this.
        pipeline, test_mode, lazy_init, indices, ...: as in mmengine's BaseDataset.

    Raises:
        FileNotFoundError: there is no index; the message has the command that makes it.
        ValueError: the index is not one, a camera is missing, or an option does not exist.
    """

    METAINFO: ClassVar = {'classes': CLASSES, **LabelSet().as_dict()}

    def __init__(
        self,
        ann_file: str,
        data_root: str = 'project/data/nuscenes/',
        data_prefix: dict | None = None,
        frame: str = 'lidar',
        queue_length: int = 1,
        earlier_images: bool = True,
        cameras: Sequence[str] | None = None,
        cache: str | None = None,
        cache_size: str = '20GB',
        pipeline: Sequence[dict | Callable] = (),
        **kwargs,
    ):
        if frame not in FRAMES:
            raise ValueError(f'frame={frame!r}: choose one of {FRAMES}')
        if queue_length < 1:
            raise ValueError(f'queue_length={queue_length}: must be at least 1, the present keyframe')
        self.frame = frame
        self.queue_length, self.earlier_images = queue_length, earlier_images
        self.cameras = None if cameras is None else tuple(cameras)
        data_prefix = {'img': '', 'occupancy': 'occupancy', **(data_prefix or {})}
        choice = CacheChoice(Path(cache) if cache else None, bytes_of(cache_size))
        data_root, ann_file = _local(data_root, choice), _local(ann_file, choice)
        data_prefix = {name: _local(prefix, choice) for name, prefix in data_prefix.items()}
        # Processes that are started anew know mirrors by these.
        self.mirrors = [mirror_at(place) for place in (data_root, *data_prefix.values())]
        # Steps built here are found in mmdet3d's registry even if no runner has set a default scope.
        steps = [TRANSFORMS.build(step) if isinstance(step, dict) else step for step in pipeline]
        super().__init__(ann_file=ann_file, data_root=data_root, data_prefix=data_prefix, pipeline=steps, **kwargs)

    def load_data_list(self) -> list[dict]:
        """Read the index; called by the base class."""
        try:
            content = infos.read(self.ann_file)
        except FileNotFoundError:
            raise FileNotFoundError(
                shown(
                    f'{self.ann_file}: missing; make labels and index with: '
                    f'python data_converter.py --dataroot {self.data_root}'
                )
            ) from None
        self._take_metainfo(content['metainfo'])
        entries = content['data_list']
        if not entries:
            raise UserError(
                f'{self.ann_file}: lists no keyframes: none of the labelled scenes belongs to this split. Name '
                'scenes for it in splits.json beside the tables, or by "split" in their scene.json, and run '
                'data_converter.py again (existing labels stay); to train without validation: --cfg-options '
                'val_dataloader=None val_evaluator=None val_cfg=None'
            )
        frames = [self._frame(entry) for entry in entries]
        position = {entry['token']: index for index, entry in enumerate(entries)}
        return [self._keyframe(entries, frames, index, position) for index in range(len(entries))]

    def get_data_info(self, idx: int) -> dict:
        """A keyframe as it enters the pipeline."""
        shared = {'cameras': self.cameras, 'category_labels': self._metainfo['category_labels']}
        info = {**super().get_data_info(idx), **shared}
        soon(file for files in info['image_files'] for file in files)
        return info

    def scenes(self) -> list[list[int]]:
        """Indices of the keyframes of each scene, in order of time."""
        scenes: dict[str, list[tuple[float, int]]] = {}
        for index in range(len(self)):
            info = super().get_data_info(index)
            scenes.setdefault(info['scene_name'], []).append((info['timestamp'], index))
        return [[index for _, index in sorted(scene)] for scene in scenes.values()]

    def _take_metainfo(self, metainfo: dict) -> None:
        """Labels and cameras of the index; labels are those of the pipeline where it maps categories to its own."""
        if self.cameras is None:
            self.cameras = tuple(metainfo['rig']['cameras'])
        if not self.cameras:
            raise ValueError(f'{self.ann_file}: its recordings have no cameras, and models here see nothing else')
        self._metainfo.update(metainfo, cameras=self.cameras)
        for step in self.pipeline.transforms:
            if isinstance(step, LoadOccupancyLabels):
                self._metainfo.update(step.stated(self._metainfo))
        self._metainfo['classes'] = LabelSet.stated_in(self._metainfo).class_names

    def _keyframe(self, entries: list[dict], frames: list[dict], index: int, position: dict[str, int]) -> dict:
        queue, exists = [index], [True]
        while len(queue) < self.queue_length:
            before = position.get(entries[queue[0]]['prev'])
            queue.insert(0, queue[0] if before is None else before)
            exists.insert(0, before is not None)
        entry, seen = entries[index], queue if self.earlier_images else queue[-1:]
        return {
            'sample_token': entry['token'],
            'scene_name': entry['scene_name'],
            'timestamp': entry['timestamp'],
            'occupancy_path': entry['occupancy_path'],
            'label_root': self.data_prefix['occupancy'],
            'data_root': self.data_root,
            'frame': self.frame,
            'image_files': [frames[i]['image_files'] for i in seen],
            'image_sizes': [frames[i]['image_sizes'] for i in seen],
            'lidar2img': np.stack([frames[i]['lidar2img'] for i in seen]),
            'global_from_grid': np.stack([frames[i]['global_from_grid'] for i in seen]),
            'frame_exists': np.array(exists),
            'frame_tokens': [entries[i]['token'] for i in queue],
        }

    def _frame(self, entry: dict) -> dict:
        """Files of the images and geometry of a keyframe on its own."""
        names = self.cameras or ()
        missing = [channel for channel in names if channel not in entry['images']]
        if missing:
            raise ValueError(
                f'{self.ann_file}: keyframe {entry["token"]} has no image of {missing}; it has those of '
                f'{list(entry["images"])}. cameras=[...] of the dataset chooses which to use'
            )
        cameras = [entry['images'][channel] for channel in names]
        ego_from_lidar = np.array(entry['lidar_points']['lidar2ego'])
        grid_from_lidar = ego_from_lidar if self.frame == 'ego' else np.eye(4)
        image_from_lidar = np.stack([_intrinsics(camera) @ np.array(camera['lidar2cam']) for camera in cameras])
        folder = Path(self.data_prefix['img'])
        return {
            'image_files': [str(folder / camera['img_path']) for camera in cameras],
            'image_sizes': [(camera.get('height'), camera.get('width')) for camera in cameras],
            'lidar2img': image_from_lidar @ np.linalg.inv(grid_from_lidar),
            'global_from_grid': np.array(entry['ego2global']) @ ego_from_lidar @ np.linalg.inv(grid_from_lidar),
        }


def _local(place: str, cache: CacheChoice) -> str:
    """The local folder of a URL; other paths as they are. The last part of the URL of an index is its file."""
    if not is_url(place):
        return place
    folder, _, file = place.rpartition('/') if place.endswith('.pkl') else (place, '', '')
    return str(mounted(folder, cache) / file)


def _intrinsics(camera: dict) -> np.ndarray:
    matrix = np.eye(4)
    matrix[:3, :3] = camera['cam2img']
    return matrix
