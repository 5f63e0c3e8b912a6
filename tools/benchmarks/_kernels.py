"""Time of GPU kernels by kind."""

import re
from collections import Counter
from collections.abc import Callable

import torch
from torch.autograd import DeviceType

KINDS = {
    'deformable attention': r'^attend|ms_deform',
    'between pixels and voxels': r'^pull|^_sum_voxel|^_follow_ray',
    'moving volumes of earlier frames': r'^warp',
    'sampling for deformable convolutions': r'^sample|deformable_(im2col|col2im)',
    'norms': (
        r'^_forward|^_backward|^_(sum|finish|apply)_(values|statistics|gradients)'
        r'|batch_?norm|layer_?norm|bn_(fw|bw)|gammabeta'
    ),
    'element by element': r'elementwise_kernel',
    'copies and changes of layout': r'nchw(2|to)nhwc|nhwc(2|to)nchw|converttensor|transpose|catarray|memcpy|memset',
    'convolutions and matrix products': r'gemm|gemv|nvjet|cutlass|xmma|fprop|dgrad|wgrad|conv|splitk|cudnn_generated',
}
"""Kinds of kernels, and what their names contain, in any case. The first kind that fits counts.

``attend``, ``sample``, ``pull``, ``warp`` and those that begin with a ``_`` are kernels of this project; the others are
torch's, cuDNN's, ...
"""

OTHERS = 'others: pooling, reductions, sorting, optimiser'


def kind_of(kernel: str) -> str:
    """The kind of a kernel, by its name."""
    return next((kind for kind, names in KINDS.items() if re.search(names, kernel, re.IGNORECASE)), OTHERS)


def by_kind(kernels: dict[str, float]) -> dict[str, float]:
    """Milliseconds of each kind, and of all, given those of each kernel."""
    times = dict.fromkeys([*KINDS, OTHERS], 0.0)
    for name, time in kernels.items():
        times[kind_of(name)] += time
    return {**times, 'all': sum(kernels.values())}


def kernel_times(work: Callable[[], object], repeats: int = 3) -> dict[str, float]:
    """Milliseconds of each kernel that the work launches, by torch's profiler, the longest first; work warmed up."""
    torch.cuda.synchronize()
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as profiler:
        for _ in range(repeats):
            work()
        torch.cuda.synchronize()
    times = Counter()
    for event in profiler.events():
        if event.device_type == DeviceType.CUDA and not event.is_user_annotation:
            times[event.name] += event.time_range.elapsed_us() / 1000 / repeats
    return dict(times.most_common())
