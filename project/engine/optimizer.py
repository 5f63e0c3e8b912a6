"""One group of parameters for each setting of the optimiser, not one for each parameter."""

from mmdet3d.registry import OPTIM_WRAPPER_CONSTRUCTORS
from mmengine.optim import DefaultOptimWrapperConstructor
from torch import nn


@OPTIM_WRAPPER_CONSTRUCTORS.register_module()
class OccupancyOptimWrapperConstructor(DefaultOptimWrapperConstructor):
    """mmengine's constructor, with parameters of the same settings put together.

    A group of its own for each of hundreds of parameters takes an optimiser longer than the model's backward pass.
    """

    def add_params(self, params: list[dict], module: nn.Module, prefix: str = '', **options) -> None:
        """Append the groups of a module and its parts to `params`."""
        super().add_params(params, module, prefix=prefix, **options)
        if prefix:
            return  # a part; the whole follows
        merged = {}
        for group in params:
            settings = {key: value for key, value in group.items() if key != 'params'}
            merged.setdefault(repr(sorted(settings.items())), {**settings, 'params': []})['params'] += group['params']
        params[:] = merged.values()
