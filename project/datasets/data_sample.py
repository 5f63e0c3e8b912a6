"""The batch that data loaders give to the model.

A batch is ``dict(inputs=dict(imgs=...), data_samples=[...])``. After :class:`OccupancyDataPreprocessor` ``imgs`` is
float32, normalised and padded to a common size: (B, N, 3, H, W), or (B, T, N, 3, H, W) with ``queue_length = T > 1``,
the oldest keyframe first and the present one last. Each of the B data samples has the fields of
:class:`OccupancyDataSample` and the metainfo

- ``lidar2img``: (N, 4, 4), or (T, N, 4, 4) with a queue, float64: homogeneous pixels of each camera from the grid's
  frame. That is the keyframe's lidar frame, or its ego frame where the dataset has ``frame='ego'``; the name stays
  mmdet3d's;
- ``global_from_grid``: (T, 4, 4) float64, pose of that frame at each keyframe of the queue;
- ``frame_exists``: (T,) bool, False for keyframes before the start of the scene, where the first one stands in;
- ``frame_tokens``: T names of these keyframes;
- ``ori_shape``, ``img_shape``, ``pad_shape``: (H, W) of the images as loaded, as scaled, and as padded;
- ``cameras``: names of the N cameras;
- ``distortions``: what the preprocessor does to the colours of each image, in training only;
- ``jpeg_lengths``: where images are decoded by the preprocessor, before which ``imgs`` are the bytes of their files;
- ``sample_token``, ``scene_name``, ``timestamp`` (s), ``image_files``, ``label_file``, ``grid`` (a VoxelGrid).
"""

import torch
from mmdet3d.structures import Det3DDataSample


def _field(name: str, doc: str) -> property:
    private = f'_{name}'

    def get(self) -> torch.Tensor:
        return getattr(self, private)

    def set_(self, value: torch.Tensor) -> None:
        self.set_field(value, private, dtype=torch.Tensor)

    def delete(self) -> None:
        delattr(self, private)

    return property(get, set_, delete, doc)


class OccupancyDataSample(Det3DDataSample):
    """A keyframe with its voxels, as fields over (X, Y, Z), and the targets of its images."""

    gt_occupancy = _field(
        'gt_occupancy', 'uint8 labels: 0 noise (ignored), 1-16 classes, 17 free, 255 unobserved (ignored).'
    )
    pred_occupancy = _field('pred_occupancy', 'uint8 predicted labels 0-17.')
    gt_flow = _field(
        'gt_flow', '(X, Y, Z, 2) float32 velocity over ground along x and y, m/s; 0 for what stands still.'
    )
    pred_flow = _field('pred_flow', '(X, Y, Z, 2) float32 predicted velocity; of models with a head for it.')
    gt_objects = _field('gt_objects', 'int32, which object each voxel belongs to, 0 for none.')
    gt_centres = _field(
        'gt_centres', '(X, Y) float32, 1 at the centres of objects seen from above, falling off around.'
    )
    gt_offsets = _field(
        'gt_offsets', '(X, Y, Z, 2) float32 from a voxel to the centre of its object, cells; NaN for none.'
    )
    pred_objects = _field('pred_objects', 'int32 predicted objects, 0 for none; of models with a head for them.')
    mask_lidar = _field('mask_lidar', 'bool, voxels that lidar observed; there where the label format has it.')
    mask_camera = _field('mask_camera', 'bool, voxels that a camera sees; there where the label format has it.')
    gt_depths = _field(
        'gt_depths',
        '(N, h, w) float32 depth of the first thing that a pixel of a feature map shows, metres; inf for nothing.',
    )
    gt_image_semantics = _field(
        'gt_image_semantics', '(N, h, w) uint8 label of it: 0-16, 17 for nothing, 255 for unknown.'
    )

    def pin_memory(self) -> 'OccupancyDataSample':
        """The sample with its voxels and targets in pinned memory, from which a GPU copies them while the host goes on.

        Data loaders with ``pin_memory`` call it.
        """
        pinned = self.new()
        for name, value in self.items():
            if isinstance(value, torch.Tensor):
                pinned.set_data({name: value.pin_memory()})
        return pinned
