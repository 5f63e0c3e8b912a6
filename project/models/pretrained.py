"""Starting from the weights of another model, and saying what came of it."""

from pathlib import Path

import torch
from mmengine.logging import print_log
from torch import Tensor, nn

RENAMED = {'backbone.': 'img_backbone.', 'neck.': 'img_neck.'}
"""Prefixes of mmdet and mmdet3d image models, and ours."""

PARTS = ('img_backbone', 'img_neck')
"""Parts of the detector that start from pretrained weights."""


def load_pretrained(model: nn.Module, path: str | Path) -> None:
    """Load backbone and neck from a checkpoint of an image model, and log what was loaded and what was not.

    Args:
        model: detector with the parts `PARTS`.
        path: a file as ``torch.save`` writes it, tensors by name, alone or under ``state_dict``.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file has no weight for the backbone.
    """
    weights = read_weights(path)
    renamed = {_rename(name): tensor for name, tensor in weights.items()}
    own = {name: tensor for name, tensor in model.state_dict().items() if name.startswith(PARTS)}
    usable = {name: tensor for name, tensor in renamed.items() if name in own and tensor.shape == own[name].shape}
    if not any(name.startswith('img_backbone.') for name in usable):
        raise ValueError(
            f'{path}: none of its {len(weights)} weights fits the image backbone (it has {_examples(weights)}); '
            'give the checkpoint of the same backbone, or model.pretrained=None to start without'
        )
    model.load_state_dict(usable, strict=False)
    misfits = [name for name in renamed if name in own and name not in usable]
    left = [name for name in own if name not in usable and not name.endswith('num_batches_tracked')]
    unused = [name for name in renamed if name not in own]
    print_log(
        f'{path}: loaded {len(usable)} of {len(own)} weights of {" and ".join(PARTS)}; '
        f'not in the file or of another shape: {_examples(left)}; of another shape: {_examples(misfits)}; '
        f'in the file but not used: {_examples(unused)}',
        logger='current',
    )


def read_weights(path: str | Path) -> dict[str, Tensor]:
    """Tensors by name of a checkpoint, read without running any code it might hold.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is no checkpoint.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(
            f'{path}: no such file; download it as ckpts/README.md tells, '
            'or start without by --cfg-options model.pretrained=None'
        )
    try:
        content = torch.load(path, map_location='cpu', weights_only=True)
    except Exception as error:  # torch raises many kinds
        raise ValueError(f'{path}: not a checkpoint that can be read safely ({error})') from None
    weights = content.get('state_dict', content)
    return {name: tensor for name, tensor in weights.items() if isinstance(tensor, Tensor)}


def _rename(name: str) -> str:
    for old, new in RENAMED.items():
        if name.startswith(old):
            return new + name.removeprefix(old)
    return name


def _examples(names: list[str] | dict) -> str:
    listed = ', '.join(list(names)[:3])
    return f'{len(names)} ({listed}{", ..." if len(names) > 3 else ""})' if names else 'none'
