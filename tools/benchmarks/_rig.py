"""Cameras like those of nuScenes around a car, and labels, made up."""

import numpy as np
import torch
from mmengine.structures import BaseDataElement

CAMERAS = ((90, 1266), (35, 1260), (145, 1272), (-90, 809), (-20, 1259), (-160, 1257))
"""Direction from the lidar's x axis, degrees, and focal length for images 1600 pixels wide, pixels."""


def data_sample(
    image: tuple[int, int],
    grid: tuple[int, int, int],
    frames: int = 1,
    device: str = 'cuda',
    maps: tuple[int, int] | None = None,
) -> BaseDataElement:
    """What the detector needs to know of a frame, or of a queue of them a metre apart; labels and flow are random.

    Args:
        image: rows and columns of the images.
        grid: voxels.
        frames: of the queue.
        device: where the labels are.
        maps: rows and columns of what the images should be seen to show; None for nothing of that kind.
    """
    labels = torch.randint(0, 18, grid, dtype=torch.uint8, device=device)
    about = {'lidar2img': lidar2img(image)}
    if frames > 1:
        poses = np.tile(np.eye(4), (frames, 1, 1))
        poses[:, 1, 3] = np.arange(frames)
        about = {'lidar2img': np.stack([about['lidar2img']] * frames), 'global_from_grid': poses}
        about['frame_exists'] = np.ones(frames, bool)
    sample = BaseDataElement(metainfo=about, gt_occupancy=labels, gt_flow=torch.randn(*grid, 2, device=device))
    if maps is not None:
        sample.gt_depths = 60 * torch.rand(len(CAMERAS), *maps, device=device)
        sample.gt_image_semantics = torch.randint(0, 18, (len(CAMERAS), *maps), dtype=torch.uint8, device=device)
    return sample


def lidar2img(image: tuple[int, int]) -> np.ndarray:
    """(6, 4, 4) homogeneous pixels from the lidar's frame (x right, y forward, z up), of (rows, columns) images."""
    matrices = []
    for degrees, focal in CAMERAS:
        focal = focal * image[1] / 1600
        angle = np.deg2rad(degrees)
        sine, cosine = np.sin(angle), np.cos(angle)
        camera_from_lidar = np.array(
            [[sine, -cosine, 0, 0], [0, 0, -1, -0.3], [cosine, sine, 0, -0.7], [0, 0, 0, 1]], dtype=float
        )
        intrinsic = np.array([[focal, 0, image[1] / 2, 0], [0, focal, image[0] / 2, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
        matrices.append(intrinsic @ camera_from_lidar)
    return np.stack(matrices)
