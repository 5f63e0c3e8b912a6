"""mmdet's ResNet for GPUs: channels last, and one pass for norm, residual and ReLU after a convolution."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext

import torch
from mmdet.models.backbones.resnet import Bottleneck, ResNet
from mmdet3d.registry import MODELS
from torch import Tensor, nn
from torch.nn.functional import conv2d
from torch.utils.checkpoint import checkpoint

from project.models.folded_resnet import FoldedResNet, blocks_of, can_be_folded, in_blocks, works_on_blocks
from project.models.ops.frozen_norm import FROZEN_NORM, normalise
from project.models.ops.max_pool import max_pool


class FusedBottleneck(Bottleneck):
    """mmdet's Bottleneck; parameters and result are the same."""

    def forward(self, x: Tensor) -> Tensor:
        """(N, C', H', W') of (N, C, H, W) features."""
        if self.with_plugins or self.with_cp:
            return super().forward(x)
        residual = x if self.downsample is None else _downsample(self.downsample, x)
        x = normalise(self.conv1(x), self.norm1)
        x = normalise(self.conv2(x), self.norm2)
        return normalise(self.conv3(x), self.norm3, residual)


@MODELS.register_module()
class OccupancyResNet(ResNet):
    """mmdet's ResNet; other arguments, parameters, their start, and results are the same.

    Args:
        recompute_stages: the backward pass computes the inside of this many first stages again (of the stem as well),
            which takes less memory and more time.
    """

    _foldable: bool | None = None

    def __init__(self, *args, recompute_stages: int = 0, **kwargs):
        super().__init__(*args, **kwargs)
        self.recompute_stages = recompute_stages
        self._folded: dict[torch.dtype, FoldedResNet] = {}

    def make_res_layer(self, **options) -> nn.Sequential:
        """A stage. (mmdet's own class of blocks is what it asks for when it chooses how weights start.)"""
        if options['block'] is Bottleneck:
            options['block'] = FusedBottleneck
        return super().make_res_layer(**options)

    def train(self, mode: bool = True) -> 'OccupancyResNet':
        """Switch between training and evaluation."""
        super().train(mode)
        for folded in self._folded.values():
            folded.outdate()  # a CUDA graph of a training step changes running statistics without a trace
        return self

    def _apply(self, fn: Callable, recurse: bool = True) -> 'OccupancyResNet':
        """Move or convert the network, and drop the folded copy, which has the old tensors."""
        super()._apply(fn, recurse)
        self._folded = {}
        return self

    def folds(self, device_type: str) -> bool:
        """Whether folded weights are used now: for a prediction on a GPU in bfloat16."""
        if self.training or torch.is_grad_enabled() or device_type != 'cuda' or not torch.is_autocast_enabled('cuda'):
            return False
        if self._foldable is None:
            self._foldable = can_be_folded(self)
        return self._foldable and FROZEN_NORM.choose('cuda').name != 'torch'

    def folded(self) -> FoldedResNet:
        """The network for predictions in autocast's current dtype. CUDA graphs use its memory, so it is never
        replaced."""
        dtype = torch.get_autocast_dtype('cuda')
        if dtype not in self._folded:
            self._folded[dtype] = FoldedResNet(self, dtype)
        return self._folded[dtype]

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Feature maps of the stages in `out_indices`, of (N, 3, H, W) images."""
        if self.folds(x.device.type):
            folded = self.folded()
            if not torch.cuda.is_current_stream_capturing():
                folded.refresh()  # which a graph must not, since it would do so each time
            return folded(x)
        if x.is_cuda:
            x = x.contiguous(memory_format=torch.channels_last)
        maps = []
        for index, name in enumerate(self.res_layers):
            compute = getattr(self, name) if index else self._first_stage
            again = index < self.recompute_stages and self.training and torch.is_grad_enabled()
            x = self._computed_twice(compute, x) if again else compute(x)
            if index in self.out_indices:
                maps.append(x)
        return tuple(maps)

    def _first_stage(self, x: Tensor) -> Tensor:
        x = self.stem(x) if self.deep_stem else normalise(self._first_convolution(x), self.norm1)
        x = max_pool(x) if type(self.maxpool) is nn.MaxPool2d else self.maxpool(x)
        return getattr(self, self.res_layers[0])(x)

    def _first_convolution(self, x: Tensor) -> Tensor:
        fast = x.is_cuda and torch.is_autocast_enabled('cuda') and not x.requires_grad
        if not (fast and works_on_blocks(self.conv1)):
            return self.conv1(x)
        # cuDNN is slow where there are three channels only.
        return conv2d(blocks_of(x, torch.get_autocast_dtype('cuda')), in_blocks(self.conv1.weight), self.conv1.bias)

    def _computed_twice(self, compute: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
        """The result of a stage, of which only the input is kept until the backward pass."""

        def contexts():
            return nullcontext(), _statistics_kept(self)

        # Nothing in a stage is random.
        return checkpoint(compute, x, use_reentrant=False, preserve_rng_state=False, context_fn=contexts)


@contextmanager
def _statistics_kept(network: nn.Module) -> Iterator[None]:
    """Running statistics do not change: a batch that is computed twice counts once."""
    norms = [(norm, norm.momentum) for norm in network.modules() if isinstance(norm, nn.BatchNorm2d)]
    try:
        for norm, _ in norms:
            norm.momentum = 0.0
        yield
    finally:
        for norm, momentum in norms:
            norm.momentum = momentum


def _downsample(layers: nn.Sequential, x: Tensor) -> Tensor:
    *convolutions, norm = layers
    for layer in convolutions:
        x = layer(x)
    return normalise(x, norm, activate=False)
