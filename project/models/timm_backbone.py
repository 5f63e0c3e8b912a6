"""Any image model of timm as a backbone."""

from collections.abc import Sequence
from functools import partial

import timm
from mmdet3d.registry import MODELS
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from project.errors import UserError


@MODELS.register_module()
class OccupancyTimmBackbone(nn.Module):
    """Feature maps of a timm model.

    Args:
        name: name of the model, as in ``timm.list_models()``.
        out_indices: feature maps that are passed on; the i-th has stride 2 ** (i + 1) in most convolutional models and
            2 ** (i + 2) in those that begin with patches.
        pretrained: start training from the weights that timm downloads.
        norm_eval: keep batch norms as they are during training.
        options: further arguments of ``timm.create_model``.
    """

    def __init__(
        self,
        name: str,
        out_indices: Sequence[int] = (1, 2, 3),
        pretrained: bool = False,
        norm_eval: bool = False,
        **options,
    ):
        super().__init__()
        self.create = partial(timm.create_model, name, features_only=True, out_indices=tuple(out_indices), **options)
        self.model = self.create()
        self.channels = self.model.feature_info.channels()
        self.name, self.pretrained, self.norm_eval = name, pretrained, norm_eval

    def init_weights(self) -> None:
        """Load timm's weights at the start of training, if wanted; a model that is only tested needs none."""
        if self.pretrained:
            try:
                weights = self.create(pretrained=True).state_dict()
            except (OSError, RuntimeError) as error:  # what is no error of the network is none of a file either
                raise UserError(
                    f'the weights of {self.name} cannot be downloaded ({str(error).splitlines()[0]:.200}); with '
                    '--cfg-options model.img_backbone.pretrained=False training starts without them; or download them '
                    'where there is a network, and copy the folder that HF_HOME names'
                ) from error
            self.model.load_state_dict(weights)

    def forward(self, x: Tensor) -> list[Tensor]:
        """Feature maps, (B, C_i, h_i, w_i) each, of (B, 3, H, W) images in BGR (timm's models know RGB)."""
        maps = self.model(x.flip(1))
        return [_channels_first(features, count) for features, count in zip(maps, self.channels, strict=True)]

    def train(self, mode: bool = True) -> 'OccupancyTimmBackbone':
        """Switch between training and evaluation, batch norms apart if `norm_eval`."""
        super().train(mode)
        if self.norm_eval:
            for module in self.modules():
                if isinstance(module, _BatchNorm):
                    module.eval()
        return self


def _channels_first(features: Tensor, channels: int) -> Tensor:
    """Some transformers of timm give (B, h, w, C)."""
    return features if features.shape[1] == channels else features.permute(0, 3, 1, 2).contiguous()
