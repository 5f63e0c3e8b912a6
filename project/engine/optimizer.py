"""Makes one group of parameters for each setting of the optimiser, instead of one for each parameter."""

import logging

from mmdet3d.registry import OPTIM_WRAPPER_CONSTRUCTORS, OPTIMIZERS
from mmengine.logging import MMLogger
from mmengine.optim import DefaultOptimWrapperConstructor, OptimWrapper
from torch import nn


@OPTIM_WRAPPER_CONSTRUCTORS.register_module()
class OccupancyOptimWrapperConstructor(DefaultOptimWrapperConstructor):
    """mmengine's constructor, with parameters of the same settings put together.

    With one group for each of hundreds of parameters, the optimiser takes longer than the model's backward pass.
    """

    def __call__(self, model: nn.Module) -> OptimWrapper:
        """The optimiser of a model, wrapped.

        Raises:
            ValueError: there is no optimiser of that name.
        """
        kind = self.optimizer_cfg['type']
        if isinstance(kind, str) and OPTIMIZERS.get(kind) is None:
            raise ValueError(f'optim_wrapper.optimizer.type={kind}: there is no such optimiser')
        return super().__call__(model)

    def add_params(self, params: list[dict], module: nn.Module, prefix: str = '', **options) -> None:
        """Append the groups of a module and its parts to `params`."""
        if prefix:
            super().add_params(params, module, prefix=prefix, **options)  # a part; the whole follows
            return
        logger = MMLogger.get_current_instance()
        logger.addFilter(_is_not_about_one_parameter)
        try:
            super().add_params(params, module, **options)
        finally:
            logger.removeFilter(_is_not_about_one_parameter)
        merged: dict[str, dict] = {}
        for group in params:
            settings = {key: value for key, value in group.items() if key != 'params'}
            merged.setdefault(repr(sorted(settings.items())), {**settings, 'params': []})['params'] += group['params']
        params[:] = merged.values()
        for group in params:
            lr, decay = group.get('lr', self.base_lr), group.get('weight_decay', self.base_wd)
            logger.info(f'{len(group["params"])} parameter tensors are trained with lr {lr}, weight_decay {decay}')
        logger.info(f'{sum(not each.requires_grad for each in module.parameters())} parameter tensors are frozen')


def _is_not_about_one_parameter(record: logging.LogRecord) -> bool:
    """mmengine has a line or more for each of hundreds of parameters."""
    return not record.getMessage().endswith('requires_grad=False') and 'paramwise_options' not in record.getMessage()
