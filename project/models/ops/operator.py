"""Chooses one of several implementations of an operator: once for each kind of device, logged, and by name if
wanted."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

import torch
from mmengine.logging import print_log

PLAIN = 'torch'
"""Name of the backend made of torch's own operators; every operator has one."""

_plain_only = ContextVar('plain_only', default=False)


@contextmanager
def plain_operators() -> Iterator[None]:
    """Inside this context, operators of this thread use their plain backend unless one is named."""
    token = _plain_only.set(True)
    try:
        yield
    finally:
        _plain_only.reset(token)


@dataclass(frozen=True)
class Backend:
    """One implementation of an operator.

    Attributes:
        name: what the user calls it.
        compute: the implementation; all backends of an operator take the same arguments.
        obstacle: why it cannot run on a type of device (``'cpu'``, ``'cuda'``) here, or an empty string.
    """

    name: str
    compute: Callable[..., torch.Tensor]
    obstacle: Callable[[str], str]


class Operator:
    """A function with several backends; the first that can run is used.

    Args:
        name: name of the operator; the environment variable ``OCCUPANCY_<NAME>`` forces a backend.
        backends: implementations, best first.
    """

    def __init__(self, name: str, backends: Sequence[Backend]):
        self.name = name
        self.variable = f'OCCUPANCY_{name.upper()}'
        self.backends = {backend.name: backend for backend in backends}
        self._chosen: dict[tuple[str, str | None], str] = {}

    def available(self, device_type: str) -> list[str]:
        """Names of the backends that can run on a type of device."""
        return [backend.name for backend in self.backends.values() if not backend.obstacle(device_type)]

    def choose(self, device_type: str, name: str | None = None) -> Backend:
        """The backend for a type of device: the named one, else the environment's, else the first that can run.

        Within :func:`plain_operators` it is the plain one unless another is named.

        Raises:
            ValueError: no backend has that name.
            RuntimeError: the backend asked for cannot run here.
        """
        return self.backends[self._chosen_name(device_type, name)]

    @torch.compiler.assume_constant_result  # what finds out about backends cannot be compiled
    def _chosen_name(self, device_type: str, name: str | None) -> str:
        name = name or (PLAIN if _plain_only.get() else os.environ.get(self.variable))
        key = (device_type, name)
        if key not in self._chosen:
            self._chosen[key] = self._find(device_type, name)
            print_log(f'{self.name} on {device_type}: {self._chosen[key]}', logger='current')
        return self._chosen[key]

    def _find(self, device_type: str, name: str | None) -> str:
        if name is None:
            name = self.available(device_type)[0]
        if name not in self.backends:
            raise ValueError(f'{self.name} has no backend {name!r}; there are {list(self.backends)}')
        obstacle = self.backends[name].obstacle(device_type)
        if obstacle:
            raise RuntimeError(f'{self.name}: {name} cannot run on {device_type}, because {obstacle}')
        return name


def runs_anywhere(device_type: str) -> str:
    """No obstacle on any device."""
    return ''


def compiled_mmcv_obstacle(device_type: str) -> str:
    """Why the kernels of a full mmcv cannot run on a type of device, or an empty string."""
    from importlib.util import find_spec

    return '' if find_spec('mmcv._ext') else 'this mmcv has no compiled operators (mmcv-lite)'


def triton_obstacle(device_type: str) -> str:
    """Why Triton kernels cannot run on a type of device, or an empty string."""
    from importlib.util import find_spec

    if not find_spec('triton'):
        return 'Triton is not installed'
    if device_type == 'cpu' and os.environ.get('TRITON_INTERPRET') == '1':
        return ''  # slow, for tests
    return '' if device_type == 'cuda' and torch.cuda.is_available() else 'its kernels need a GPU'
