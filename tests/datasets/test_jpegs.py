"""Images that are decoded where the model runs, against those that loading processes decode."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from keyframes import CHANNELS, SIZE, write_data
from mmengine.dataset import pseudo_collate

from project.datasets import LoadSurroundImages, NuScenesOccupancyDataset, OccupancyDataPreprocessor, jpegs
from project.grid import VoxelGrid
from project.visualization.sources.samples import sample_frame

DISTORT = {'type': 'DistortSurroundImages', 'on_device': True}
GRID = VoxelGrid.from_range('lidar', (-4, -4, -1, 4, 4, 1), (2.0, 2.0, 1.0))
CUDA = pytest.mark.skipif(not torch.cuda.is_available(), reason='needs a GPU')


@pytest.fixture
def root(tmp_path, rng):
    """A data set of smooth random images, as JPEGs whatever their names."""
    write_data(tmp_path)
    write_images(tmp_path, rng, '420')
    return tmp_path


def write_images(root: Path, rng: np.random.Generator, sampling: str) -> None:
    """Smooth random images; one sample of their colours is for one pixel (444) or for four (420)."""
    factor = getattr(cv2, f'IMWRITE_JPEG_SAMPLING_FACTOR_{sampling}')
    for file in image_files(root):
        smooth = cv2.resize(rng.integers(0, 256, (9, 16, 3), dtype=np.uint8), SIZE[::-1])
        encoded = cv2.imencode('.jpg', smooth, (cv2.IMWRITE_JPEG_SAMPLING_FACTOR, factor))[1]
        file.write_bytes(encoded.tobytes())


def image_files(root: Path) -> list[Path]:
    return sorted((root / 'images').glob('*/*.png'))


def damage(file: Path) -> None:
    """Make a file a JPEG of noise, some of whose data in the middle are lost."""
    noise = np.random.default_rng(0).integers(0, 256, (*SIZE, 3), dtype=np.uint8)
    whole = cv2.imencode('.jpg', noise)[1].tobytes()
    middle = len(whole) // 2
    file.write_bytes(whole[:middle] + bytes(512) + whole[middle + 512 :])


def make_dataset(root, *steps: dict, queue_length: int = 1, **options) -> NuScenesOccupancyDataset:
    pipeline = [{'type': 'LoadSurroundImages', **options}, *steps, {'type': 'PackOccupancyInputs'}]
    return NuScenesOccupancyDataset(
        'occupancy/nuscenes_infos_train.pkl', data_root=str(root), pipeline=pipeline, serialize_data=False,
        cameras=CHANNELS, queue_length=queue_length,
    )  # fmt: skip


def batch_of(dataset, *keyframes: int, device: str = 'cpu') -> tuple[torch.Tensor, list]:
    torch.manual_seed(3)
    batch = pseudo_collate([dataset[keyframe] for keyframe in keyframes])
    preprocessor = OccupancyDataPreprocessor(grid_mask_probability=0.5).to(device)
    made = preprocessor(batch, training=True)
    return made['inputs']['imgs'], made['data_samples']


@pytest.mark.parametrize('queue_length', [1, 3])
@pytest.mark.parametrize('steps', [(), (DISTORT,)])
def test_the_model_sees_the_same_bits(root, queue_length, steps):
    plain = batch_of(make_dataset(root, *steps, queue_length=queue_length), 1, 4)
    left = make_dataset(root, *steps, queue_length=queue_length, decode_on_device=True)
    packed = left[1]['inputs']['imgs']
    assert packed.dim() == 1 and packed.numel() < 2 * queue_length * np.prod(SIZE)
    found = batch_of(left, 1, 4)
    assert torch.equal(found[0], plain[0])
    for one, other in zip(found[1], plain[1], strict=True):
        np.testing.assert_array_equal(one.lidar2img, other.lidar2img)
        for name in ('ori_shape', 'img_shape', 'pad_shape', 'image_files'):
            assert one.metainfo[name] == other.metainfo[name]


@pytest.mark.parametrize('kind', ['png', 'grey', 'sizes', 'size'])
def test_what_is_no_plain_jpeg_of_one_size_is_decoded_by_the_loading_process(root, kind):
    first, options = image_files(root)[0], {'size': (45, 80)} if kind == 'size' else {}
    image = cv2.imread(str(first))
    if kind == 'sizes':
        image = image[: SIZE[0] // 2, : SIZE[1] // 2]
    encoded = cv2.imencode('.png' if kind == 'png' else '.jpg', image[..., 0] if kind == 'grey' else image)[1]
    first.write_bytes(encoded.tobytes())
    left = make_dataset(root, decode_on_device=True, **options)
    for dataset in (left, make_dataset(root, **options)):
        dataset.full_init()
        for entry in dataset.data_list:
            entry['image_sizes'] = [[(None, None)] * len(CHANNELS)]
    keyframe = next(k for k in range(len(left)) if str(first) in left[k]['data_samples'].image_files[0])
    assert left[keyframe]['inputs']['imgs'].dim() == 4
    both = batch_of(left, 0, 4)[0], batch_of(dataset, 0, 4)[0]
    assert torch.equal(*both)


def test_damage_is_told_with_the_file_by_whoever_sees_it(root):
    dataset = make_dataset(root, decode_on_device=True)
    file = Path(dataset[2]['data_samples'].image_files[0][1])
    file.write_bytes(file.read_bytes()[:-40])
    with pytest.raises(ValueError, match=f'{file.name}: not an image that can be read, or only a part'):
        dataset[2]
    damage(file)
    loaded = pseudo_collate([dataset[1], dataset[2]])
    with pytest.raises(ValueError, match=f'{file.name}: not an image that can be read, or only a part'):
        OccupancyDataPreprocessor()(loaded)
    file.unlink()
    with pytest.raises(FileNotFoundError, match=f'{file.name}: missing'):
        dataset[2]


def test_another_size_than_the_index_states_is_refused_without_decoding(root, rng):
    dataset = make_dataset(root, decode_on_device=True)
    for file in image_files(root):
        file.write_bytes(cv2.imencode('.jpg', rng.integers(0, 256, (40, 60, 3), dtype=np.uint8))[1].tobytes())
    dataset.full_init()
    for entry in dataset.data_list:
        entry['image_sizes'] = [[SIZE] * len(CHANNELS)]
    with pytest.raises(ValueError, match='has 60 x 40 pixels, the index states 160 x 90'):
        dataset[0]


@pytest.mark.parametrize(
    'step',
    [
        {'type': 'DistortSurroundImages'},
        {'type': 'ScaleSurroundImages', 'factor': 0.5},
        {'type': 'FitSurroundImages', 'size': (45, 80)},
    ],
)
def test_steps_that_change_pixels_are_refused(root, step):
    with pytest.raises(ValueError, match=rf'{step["type"]} changes pixels.*decode_on_device'):
        make_dataset(root, step, decode_on_device=True)[0]


@pytest.mark.parametrize('options', [{'to_float32': True}, {'reduced_by': 2}])
def test_options_that_need_pixels_are_refused(options):
    with pytest.raises(ValueError, match=next(iter(options))):
        LoadSurroundImages(decode_on_device=True, **options)


def test_pictures_show_images_that_are_still_jpegs(root):
    plain, left = (make_dataset(root, decode_on_device=decode)[1] for decode in (False, True))
    for packed in (plain, left):
        packed['data_samples'].set_metainfo({'grid': GRID})
        packed['data_samples'].gt_occupancy = torch.zeros(GRID.shape, dtype=torch.uint8)
    frames = [sample_frame(packed['inputs']['imgs'], packed['data_samples'], 0) for packed in (plain, left)]
    for one, other in zip(frames[0].cameras, frames[1].cameras, strict=True):
        np.testing.assert_array_equal(one.image, other.image)


def test_what_the_gpu_refuses_is_decoded_here_and_told_once(root, monkeypatch, caplog):
    def refuse(contents, mode, device):
        raise RuntimeError('Failed to decode')

    dataset = make_dataset(root, decode_on_device=True, queue_length=3)
    plain = make_dataset(root, queue_length=3)[1]['inputs']['imgs']
    packed, told = dataset[1], []
    monkeypatch.setattr(jpegs, 'decode_jpeg', refuse)
    monkeypatch.setattr(jpegs, 'print_log', lambda sentence, **_: told.append(sentence))
    for _ in range(2):
        (found,) = jpegs.decoded_batch([packed['inputs']['imgs']], [packed['data_samples']], torch.device('cuda'))
        assert torch.equal(found, plain)
    assert told == ['images are decoded on the CPU, since the GPU refused them: Failed to decode']

    def fail(contents, mode, device):
        raise torch.OutOfMemoryError('no memory')

    monkeypatch.setattr(jpegs, 'decode_jpeg', fail)
    with pytest.raises(torch.OutOfMemoryError):
        jpegs.decoded_batch([packed['inputs']['imgs']], [packed['data_samples']], torch.device('cuda'))


@CUDA
@pytest.mark.parametrize('queue_length', [1, 3])
@pytest.mark.parametrize(('sampling', 'most'), [('444', 0.01), ('420', 6)])
def test_nvjpeg_gives_the_same_pixels_but_for_colours_between_samples(root, rng, queue_length, sampling, most):
    write_images(root, rng, sampling)

    def pixels(decode: bool, device: str) -> torch.Tensor:
        dataset = make_dataset(root, queue_length=queue_length, decode_on_device=decode)
        batch = [dataset[keyframe] for keyframe in (1, 4)]
        packed, samples = [each['inputs']['imgs'] for each in batch], [each['data_samples'] for each in batch]
        found = jpegs.decoded_batch(packed, samples, torch.device(device))
        assert all(each.device.type == device for each in found) or not decode
        return torch.stack(found).cpu()

    plain, found = pixels(False, 'cpu'), pixels(True, 'cuda')
    assert found.shape == plain.shape and found.dtype == torch.uint8
    # Red and blue exchanged, or cameras, would be off by tens of grey values.
    assert (found.int() - plain.int()).abs().float().mean() < most


@CUDA
def test_a_damaged_jpeg_never_ends_a_cuda_context(root):
    dataset = make_dataset(root, decode_on_device=True)
    file = Path(dataset[2]['data_samples'].image_files[0][1])
    damage(file)
    try:
        found, _ = batch_of(dataset, 1, 2, device='cuda')
        assert found.isfinite().all()  # nvJPEG shows what it can
    except ValueError as error:
        assert f'{file.name}: not an image that can be read' in str(error)
    assert torch.ones(3, device='cuda').sum() == 3
