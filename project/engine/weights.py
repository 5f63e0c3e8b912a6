"""Loads weights into a model: strictly, or the matching ones of a pretrained checkpoint; never silently."""

from collections.abc import Iterable

from torch import Tensor, nn


def weights_of(checkpoint: dict) -> dict[str, Tensor]:
    """The weights in a checkpoint, by name, without the prefix that distributed training adds."""
    weights = checkpoint.get('state_dict', checkpoint)
    return {name.removeprefix('module.'): value for name, value in weights.items() if isinstance(value, Tensor)}


def load_strictly(model: nn.Module, weights: dict[str, Tensor], source: str) -> None:
    """Load weights that must be those of this very model.

    Args:
        model: any module.
        weights: tensors by name.
        source: where they are from, for the message.

    Raises:
        ValueError: a weight is missing, unknown or of another shape; the model is left as it was.
    """
    own = model.state_dict()
    faults = [
        ('missing', own.keys() - weights.keys()),
        ('unknown', weights.keys() - own.keys()),
        ('of another shape', _misshapen(own, weights)),
    ]
    if any(names for _, names in faults):
        listed = '; '.join(f'{len(names)} {fault} ({_some(names)})' for fault, names in faults if names)
        raise ValueError(f'{source} is a checkpoint of another model; of {len(own)} weights: {listed}')
    model.load_state_dict(weights)


def load_matching(model: nn.Module, weights: dict[str, Tensor], source: str) -> str:
    """Load the weights with matching name and shape, for training from pretrained weights.

    The ``backbone`` and ``neck`` of an image model become ``img_backbone`` and ``img_neck``.

    Args:
        model, weights, source: as for :func:`load_strictly`.

    Returns:
        A sentence about what was loaded and what was not.

    Raises:
        ValueError: nothing matches.
    """
    own = model.state_dict()
    weights = {f'img_{name}' if f'img_{name}' in own else name: value for name, value in weights.items()}
    misshapen = _misshapen(own, weights)
    matching = {name: value for name, value in weights.items() if name in own and name not in misshapen}
    if not matching:
        raise ValueError(
            f'{source}: none of its {len(weights)} weights has a name and shape of this model ({_some(weights)} there, '
            f'{_some(own)} here); take another file or set load_from=None'
        )
    model.load_state_dict(matching, strict=False)
    left_out = [
        (own.keys() - matching.keys(), 'of the model start from their initial values'),
        (weights.keys() - own.keys(), 'of the file are not used'),
        (misshapen, 'of the file have another shape'),
    ]
    parts = [f'{len(names)} {what} ({_some(names)})' for names, what in left_out if names]
    return '; '.join([f'loaded {len(matching)} of {len(own)} weights from {source}', *parts])


def _misshapen(own: dict[str, Tensor], weights: dict[str, Tensor]) -> set[str]:
    return {name for name in own.keys() & weights.keys() if own[name].shape != weights[name].shape}


def _some(names: Iterable[str], limit: int = 3) -> str:
    names = sorted(names)
    return ', '.join(names[:limit]) + (', ...' if len(names) > limit else '')
