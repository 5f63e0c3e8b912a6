import sys
from pathlib import Path

import pytest

pytest.importorskip('mmdet3d')

import torch

from project.engine.config_files import read_config
from tools.benchmarks import model as benchmark
from tools.benchmarks._kernels import OTHERS, by_kind, kind_of

sys.path.insert(0, str(Path(__file__).parents[1] / 'models' / 'lift'))


class Event:
    """An event of a device whose clock moves by what `spend` says."""

    now = 0.0

    def __init__(self, enable_timing):
        assert enable_timing

    def record(self):
        self.time = Event.now

    def synchronize(self):
        pass

    def elapsed_time(self, other):
        return other.time - self.time


def test_times_of_parts_are_medians_after_warm_up(monkeypatch):
    monkeypatch.setattr(torch.cuda, 'Event', Event)
    monkeypatch.setattr(torch.cuda, 'synchronize', lambda: None)
    runs = iter([100, 100, 100, 1, 2, 9])

    def work():
        Event.now += next(runs)
        yield 'first'
        Event.now += 5
        yield 'second'

    assert benchmark.median_times(work, repeats=3) == (7, {'first': 2, 'second': 5})
    assert next(runs, None) is None


@pytest.mark.parametrize(
    ('kind', 'names'),
    [
        ('deformable attention', ['attend', 'attend_backward', 'void ms_deformable_im2col_gpu_kernel<float>(int)']),
        ('sampling for deformable convolutions', ['sample', 'sample_backward', 'deformable_im2col_kernel<float, int>']),
        ('between pixels and voxels', ['pull', 'pull_backward', '_sum_voxel', '_follow_ray']),
        ('moving volumes of earlier frames', ['warp', 'warp_backward']),
        (
            'norms',
            [
                '_sum_values',
                '_finish_gradients',
                '_forward',
                '_backward',
                'void at::native::vectorized_layer_norm_kernel<float>',
                'bn_fw_tr_1C11',
            ],
        ),
        (
            'element by element',
            ['void at::native::vectorized_elementwise_kernel<4, at::native::bfloat16_copy_kernel_cuda>'],
        ),
        (
            'copies and changes of layout',
            ['void cudnn::ops::nchwToNhwcKernel<__half>', 'Memcpy DtoD (Device -> Device)', 'convertTensor_kernel'],
        ),
        (
            'convolutions and matrix products',
            ['sm90_xmma_fprop_implicit_gemm_bf16bf16_nhwckrsc_nhwc', 'nvjet_tst_128x256', 'conv2d_c1_k1_nhwc_kernel'],
        ),
        (OTHERS, ['_pool', 'void at::native::reduce_kernel<512, 1>', 'multi_tensor_apply_kernel<FusedAdam>']),
    ],
)
def test_kernels_have_kinds(kind, names):
    assert {kind_of(name) for name in names} == {kind}


def test_kernels_add_up_by_kind():
    times = by_kind({'attend': 3.0, '_pool': 2.0, 'attend_backward': 1.5})
    assert times['deformable attention'] == 4.5 and times[OTHERS] == 2.0 and times['norms'] == 0.0
    assert times['all'] == 6.5


@pytest.mark.parametrize(
    ('name', 'frames', 'image'), [('occupancy', None, (928, 1600)), ('occupancy_medium', 3, (480, 800))]
)
def test_images_are_those_of_the_configuration(name, frames, image):
    inputs, samples = benchmark.batch(read_config(f'config/{name}.py'), 1, device='cpu')
    queue = () if frames is None else (frames,)
    assert inputs['imgs'].shape == (1, *queue, 6, 3, *image)
    assert samples[0].lidar2img.shape == (*queue, 6, 4, 4) and samples[0].gt_occupancy.shape == (100, 100, 8)
    assert ('global_from_grid' in samples[0]) == (frames is not None)
    assert 'gt_depths' not in samples[0]


@pytest.mark.parametrize(
    ('name', 'frames', 'image', 'maps'),
    [('occupancy_lift', None, (256, 704), (32, 88)), ('occupancy_lift_strong', 3, (512, 1408), (32, 88))],
)
def test_images_of_the_lift_family_come_with_what_they_should_be_seen_to_show(name, frames, image, maps):
    inputs, samples = benchmark.batch(read_config(f'config/{name}.py'), 2, device='cpu')
    assert inputs['imgs'].shape == (2, *(() if frames is None else (frames,)), 6, 3, *image)
    assert samples[1].gt_depths.shape == samples[1].gt_image_semantics.shape == (6, *maps)


def test_frames_in_order_of_time_share_all_but_one_with_the_call_before():
    _, samples = benchmark.batch(read_config('config/occupancy_lift_strong.py'), 2, device='cpu')
    benchmark.next_frames(samples, 5)
    first = [sample.frame_tokens for sample in samples]
    benchmark.next_frames(samples, 6)
    assert [sample.frame_tokens[:-1] for sample in samples] == [names[1:] for names in first]
    assert not set(first[0]) & set(first[1]), 'samples of a batch are different drives'


@pytest.mark.parametrize('with_history', [False, True])
def test_parts_of_the_lift_family(with_history):
    from small_lift import batch, small_lift

    from project.models import OccupancyHistory
    from tools.benchmarks._model_parts import model_parts

    model = small_lift().eval()
    inputs, samples = batch(1)
    if with_history:
        model.history = OccupancyHistory(model.grid, 12, channels=2, frames=1)
        model.volume.entry.reduce = torch.nn.Conv2d(model.history.out_channels, 8, 1, bias=False)
    cameras = torch.stack([torch.from_numpy(sample.lidar2img).float() for sample in samples])
    parts = model_parts(model, inputs['imgs'], cameras)
    names = ['backbone', 'neck', 'depth net', 'view', *(['history'] if with_history else []), 'volume', 'head']
    assert list(parts) == names
    assert parts['head']().shape == (1, 18, *model.grid.shape)


def test_agreement_is_of_logits_and_of_labels():
    plain = torch.tensor([[[3.0, 0.0, 4.0]], [[0.0, 0.0, 0.0]]]).view(1, 2, 3)
    fast = plain.clone()
    fast[0, 1, 0] = 5.0
    found = benchmark.agreement(plain, fast)
    assert found == {'relative_error': pytest.approx(1.0), 'same_argmax': pytest.approx(2 / 3)}


def test_without_a_gpu_it_says_so():
    if torch.cuda.is_available():
        pytest.skip('there is a GPU')
    with pytest.raises(SystemExit, match='measures on a GPU'):
        benchmark.run(None)
