"""Transforms and preprocessor together: what a model gets, for every label format, queue and batch."""

import numpy as np
import pytest
import torch
from keyframes import CHANNELS, SIZE, grey, write_data
from mmengine.dataset import pseudo_collate

from project.datasets import LoadOccupancyLabels, NuScenesOccupancyDataset, OccupancyDataPreprocessor
from project.formats import FORMATS, OccupancyLabels, occ3d, points
from project.formats.voxels import GRID as FINE

INDEX = 'occupancy/nuscenes_infos_train.pkl'
VOXELS = {name: module for name, module in FORMATS.items() if name != 'points'}
LIDAR_GRID = {'frame': 'lidar', 'extent': (-48, -48, -4, 48, 48, 2), 'voxel_size': (6, 3, 2)}
EGO_GRID = {'frame': 'ego', 'extent': (-40, -40, -1, 40, 40, 5.4), 'voxel_size': (4, 8, 1.6)}
SHAPES = {'lidar': (16, 32, 3), 'ego': (20, 10, 4)}


def one_car(grid) -> OccupancyLabels:
    """A car in the voxel around (10.25, -20.25, 0.75), everything else free."""
    indices, _ = grid.voxel_indices(np.array([[10.25, -20.25, 0.75]]))
    return OccupancyLabels(grid, indices, np.array([4], np.uint8))


@pytest.fixture(scope='module')
def root(tmp_path_factory):
    path = tmp_path_factory.mktemp('data')
    records = write_data(path, {name: one_car(module.GRID) for name, module in VOXELS.items()})
    for record in (record for scene in records.values() for record in scene):
        file = path / 'occupancy' / points.path(record.keyframe)
        points.write(file, np.array([[10.25, -20.25, 0.75, 9, 17]]))
    return path


def make_dataset(root, *steps: dict, grid: dict = LIDAR_GRID, format: str = 'voxels', mask=None, **options):
    pipeline = [
        {'type': 'LoadSurroundImages'},
        *steps,
        {'type': 'LoadOccupancyLabels', 'grid': grid, 'format': format, 'mask': mask},
        {'type': 'PackOccupancyInputs'},
    ]
    # Serialising collects garbage, which takes a second among all that the tests have imported.
    options = {'serialize_data': False, 'cameras': CHANNELS, 'frame': grid['frame'], **options}
    return NuScenesOccupancyDataset(INDEX, data_root=str(root), pipeline=pipeline, **options)


@pytest.mark.parametrize('format', FORMATS)
def test_every_format_becomes_a_target(root, format):
    grid = EGO_GRID if FORMATS[format].GRID.frame == 'ego' else LIDAR_GRID
    sample = make_dataset(root, grid=grid, format=format)[0]['data_samples']
    target = sample.gt_occupancy.numpy()
    assert target.shape == SHAPES[grid['frame']] and target.dtype == np.uint8
    where, _ = sample.grid.voxel_indices(np.array([[10.25, -20.25, 0.75]]))
    assert np.argwhere(target == 4).tolist() == where.tolist()
    assert (target == 17).sum() == target.size - 1


@pytest.mark.parametrize('format', FORMATS)
def test_labels_of_the_other_frame_are_refused(root, format):
    wrong = LIDAR_GRID if FORMATS[format].GRID.frame == 'ego' else EGO_GRID
    with pytest.raises(ValueError, match='frame'):
        make_dataset(root, grid=wrong, format=format)[0]


def test_images_reach_the_model_normalised_and_padded(root):
    batch = pseudo_collate([make_dataset(root)[i] for i in (1, 4)])
    batch = OccupancyDataPreprocessor(mean=(1, 2, 3), std=(2, 4, 8))(batch)
    images = batch['inputs']['imgs']
    assert images.shape == (2, 2, 3, 96, 160) and images.dtype == torch.float32 and images.is_contiguous()
    for b, keyframe in enumerate((1, 4)):
        for camera in range(2):
            for c, (mean, std) in enumerate(((1, 2), (2, 4), (3, 8))):
                values = images[b, camera, c, : SIZE[0], : SIZE[1]]
                torch.testing.assert_close(values, torch.full(SIZE, (grey(keyframe, camera) - mean) / std))
    assert (images[..., SIZE[0] :, :] == 0).all()
    sample = batch['data_samples'][1]
    assert sample.lidar2img.shape == (2, 4, 4) and sample.lidar2img.dtype == np.float64
    assert (sample.ori_shape, sample.img_shape, sample.pad_shape) == (SIZE, SIZE, (96, 160))
    assert sample.sample_token == 'scene-0002-1' and sample.to_dict()['gt_occupancy'].shape == SHAPES['lidar']


def test_queue_reaches_the_model_oldest_first(root):
    batch = pseudo_collate([make_dataset(root, queue_length=3)[i] for i in (0, 2)])
    batch = OccupancyDataPreprocessor(mean=(0, 0, 0))(batch)
    images = batch['inputs']['imgs']
    assert images.shape == (2, 3, 2, 3, 96, 160)
    assert images[1, :, 1, 0, 0, 0].tolist() == [grey(keyframe, 1) for keyframe in (0, 1, 2)]
    sample = batch['data_samples'][0]
    assert sample.lidar2img.shape == (3, 2, 4, 4) and sample.global_from_grid.shape == (3, 4, 4)
    assert sample.frame_exists.tolist() == [False, False, True]


def test_scaling_moves_pixels_and_projections_alike(root):
    plain = make_dataset(root)[0]['data_samples']
    scaled = make_dataset(root, {'type': 'ScaleSurroundImages', 'factor': 0.5})[0]
    sample = scaled['data_samples']
    assert scaled['inputs']['imgs'].shape == (2, 3, 45, 80) and sample.img_shape == (45, 80)
    assert sample.ori_shape == SIZE
    point = np.array([3.0, 5.0, -1.0, 1.0])
    before, after = plain.lidar2img @ point, sample.lidar2img @ point
    np.testing.assert_allclose(after[:, :2] / after[:, 2:3], before[:, :2] / before[:, 2:3] / 2)


def test_images_of_different_sizes_share_a_batch(root):
    batch = pseudo_collate([
        make_dataset(root)[0], make_dataset(root, {'type': 'ScaleSurroundImages', 'factor': 0.5})[0],
    ])  # fmt: skip
    batch = OccupancyDataPreprocessor(mean=(0, 0, 0))(batch)
    images = batch['inputs']['imgs']
    assert images.shape == (2, 2, 3, 96, 160)
    assert (images[1, 1, :, :45, :80] == 100).all() and (images[1, :, :, 45:] == 0).all()
    assert [sample.img_shape for sample in batch['data_samples']] == [(90, 160), (45, 80)]


def test_same_seed_same_augmentation(root):
    dataset = make_dataset(root, {'type': 'DistortSurroundImages'})
    preprocessor = OccupancyDataPreprocessor(grid_mask_probability=0.7)

    def draw(seed: int) -> torch.Tensor:
        torch.manual_seed(seed)
        return preprocessor(pseudo_collate([dataset[0]]), training=True)['inputs']['imgs']

    assert torch.equal(draw(1), draw(1))
    assert not torch.equal(draw(1), draw(2))


def test_reduced_decoding_gives_the_shapes_and_projections_of_scaling(root):
    scaled = make_dataset(root, {'type': 'ScaleSurroundImages', 'factor': 0.5})
    reduced = make_dataset(root)
    reduced.pipeline.transforms[0].reduced_by = 2
    one, other = scaled[0], reduced[0]
    assert one['inputs']['imgs'].shape == other['inputs']['imgs'].shape
    np.testing.assert_allclose(other['data_samples'].lidar2img, one['data_samples'].lidar2img)


def test_distortion_left_to_the_device_gives_the_images_of_the_pipeline(root):
    preprocessor = OccupancyDataPreprocessor()

    def images(**options) -> torch.Tensor:
        torch.manual_seed(3)
        sample = make_dataset(root, {'type': 'DistortSurroundImages', **options})[0]
        return preprocessor(pseudo_collate([sample]), training=True)['inputs']['imgs']

    assert torch.equal(images(on_device=True), images())
    assert not torch.equal(images(), preprocessor(pseudo_collate([make_dataset(root)[0]]))['inputs']['imgs'])


def test_grid_mask_only_in_training_and_the_same_for_all_cameras(root):
    preprocessor = OccupancyDataPreprocessor(mean=(-1, -1, -1), pad_divisor=2, grid_mask_probability=1.0)
    data = [make_dataset(root)[i] for i in (1, 2)]
    assert (preprocessor(pseudo_collate(data))['inputs']['imgs'] > 0).all()
    kept = preprocessor(pseudo_collate(data), training=True)['inputs']['imgs'] > 0
    assert (kept == kept[:, :1, :1]).all() and not (kept[0] == kept[1]).all()
    assert not kept.flatten(1).all(dim=1).any()


def test_mask_makes_the_target_ignore_what_was_not_seen(root, tmp_path):
    labels = one_car(occ3d.GRID)
    labels.mask_camera = np.zeros(occ3d.GRID.shape, bool)
    labels.mask_camera[:100] = True
    occ3d.write(tmp_path / 'labels.npz', labels)
    transform = LoadOccupancyLabels(EGO_GRID, 'occ3d', mask='camera')
    target = transform.load(tmp_path / 'labels.npz')[1].semantics
    assert (target[:10] == 17).all() and (target[10:] == 255).all()
    with pytest.raises(ValueError, match='no lidar mask'):
        LoadOccupancyLabels(EGO_GRID, 'occ3d', mask='lidar').load(tmp_path / 'labels.npz')


def test_points_leave_unobserved_what_lies_beyond_them(tmp_path):
    points.write(tmp_path / 'a.pcd.bin', np.array([[1.5, 2.5, 0.5, 0, 17], [69.5, 0.5, 0.5, 0, 17]]))
    grid = {'frame': 'lidar', 'extent': (-7, 0, 0, 70, 5, 3), 'voxel_size': 1.0}
    target = LoadOccupancyLabels(grid, 'points').load(tmp_path / 'a.pcd.bin')[1].semantics
    assert target[8, 2, 0] == 4 and (target[67:] == 255).all() and (target[:67] != 255).all()


def test_masks_come_along(root, tmp_path):
    labels = one_car(FINE)
    labels.mask_lidar = np.ones(FINE.shape, bool)
    write_data(tmp_path, {'voxels': labels})
    sample = make_dataset(tmp_path)[0]['data_samples']
    assert sample.mask_lidar.dtype == torch.bool and sample.mask_lidar.all()
    assert 'mask_camera' not in sample


def test_missing_files_are_named_with_a_remedy(root, tmp_path):
    write_data(tmp_path)
    with pytest.raises(FileNotFoundError, match=r'scene-0001-0\.npz: missing.*data_converter\.py .*--format voxels'):
        make_dataset(tmp_path)[0]
    (tmp_path / 'images' / 'CAM_BACK' / 'scene-0001_0.png').unlink()
    with pytest.raises(FileNotFoundError, match=r'CAM_BACK/scene-0001_0\.png: missing'):
        make_dataset(tmp_path)[0]
    (tmp_path / 'images' / 'CAM_BACK' / 'scene-0001_0.png').write_bytes(b'no image')
    with pytest.raises(ValueError, match=r'scene-0001_0\.png: not an image'):
        make_dataset(tmp_path)[0]


@pytest.mark.parametrize(
    'options', [{'format': 'kitti'}, {'mask': 'radar'}, {'baseline_compatible': True}, {'label_mapping': 'a.yaml'}]
)
def test_options_that_do_not_exist_are_refused(options):
    with pytest.raises(ValueError, match=next(iter(options))):
        LoadOccupancyLabels(LIDAR_GRID, **options)
