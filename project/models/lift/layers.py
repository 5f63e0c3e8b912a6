"""Layers that the parts of OccupancyLift share."""

from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from project.models.ops.frozen_norm import normalise


class ConvNorm(nn.Sequential):
    """A convolution of odd kernel size, batch norm and, if wanted, ReLU.

    Args:
        in_channels, out_channels: before and after.
        kernel: rows and columns.
        stride: of the convolution.
        activate: whether a ReLU follows.
    """

    def __init__(self, in_channels: int, out_channels: int, kernel: int, stride: int = 1, activate: bool = True):
        convolution = nn.Conv2d(in_channels, out_channels, kernel, stride, kernel // 2, bias=False)
        super().__init__(convolution, nn.BatchNorm2d(out_channels))
        self.activate = activate

    def forward(self, x: Tensor, residual: Tensor | None = None) -> Tensor:
        """(M, out_channels, h', w') of (M, in_channels, h, w); a residual is added before the ReLU."""
        return normalise(self[0](x), self[1], residual, self.activate)


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut.

    Args:
        channels: of the input.
        out_channels: of the output; the same by default.
        stride: of the first convolution.
    """

    def __init__(self, channels: int, out_channels: int | None = None, stride: int = 1):
        super().__init__()
        out_channels = out_channels or channels
        self.first = ConvNorm(channels, out_channels, 3, stride)
        self.second = ConvNorm(out_channels, out_channels, 3)
        same = stride == 1 and channels == out_channels
        self.shortcut = nn.Identity() if same else ConvNorm(channels, out_channels, 1, stride, activate=False)

    def forward(self, x: Tensor) -> Tensor:
        """(M, out_channels, h', w') of (M, channels, h, w)."""
        return self.second(self.first(x), self.shortcut(x))


class VoxelNet(nn.Sequential):
    """Two convolutions within each slice of the volume: what a further head says of each voxel.

    Args:
        slices: along z.
        in_channels, hidden_channels, out_channels: of a voxel, between the two layers, and of what is said.
    """

    def __init__(self, slices: int, in_channels: int, hidden_channels: int, out_channels: int):
        hidden = nn.Conv2d(in_channels, hidden_channels, 3, padding=1)
        super().__init__(hidden, nn.ReLU(), nn.Conv2d(hidden_channels, out_channels, 1))
        self.slices = slices

    def forward(self, volume: Tensor) -> Tensor:
        """(B, X, Y, Z, out_channels) of (B Z, C, X, Y) features."""
        return super().forward(volume).unflatten(0, (-1, self.slices)).permute(0, 3, 4, 1, 2)


class ColumnAttention(nn.Module):
    """Attention of each pixel to all pixels above and below it in its column, and a shortcut.

    The place where a thing stands on the ground gives its distance, and may be many rows below the pixel.

    Args:
        channels: of the features.
        heads: attention heads.
    """

    def __init__(self, channels: int, heads: int = 4):
        super().__init__()
        self.heads = heads
        self.norm = nn.BatchNorm2d(channels)
        self.project = nn.Conv2d(channels, 3 * channels, 1)
        self.out = nn.Conv2d(channels, channels, 1)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(self, x: Tensor) -> Tensor:
        """(M, channels, h, w) of the same."""
        images, channels, height, width = x.shape
        parts = self.project(self.norm(x)).permute(0, 3, 2, 1)  # (M, w, h, 3 C)
        parts = parts.reshape(images * width, height, 3, self.heads, channels // self.heads)
        attended = scaled_dot_product_attention(*parts.permute(2, 0, 3, 1, 4))  # (M w, heads, h, C / heads)
        attended = attended.transpose(1, 2).reshape(images, width, height, channels).permute(0, 3, 2, 1)
        return x + self.out(attended)
