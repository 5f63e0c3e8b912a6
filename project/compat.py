"""The only module that handles the version gates of mmdet3d and its relatives.

mmdet3d 1.4 wants compiled operators when it is imported, asserts on the version strings of its neighbours, and learns
of plugins only through imports. An import hook answers all three at the right moment, so that the order in which a
user imports things does not matter and a program that never touches mmdet3d never pays for it.
"""

import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from types import ModuleType, SimpleNamespace
from typing import Any

from project import kernel_cache

NEWEST_ACCEPTED = {'mmcv': '2.1.0', 'mmdet': '3.3.0', 'mmengine': '0.10.7'}
"""Versions that pass every gate; shown to the gates in place of newer ones, which work as well."""

GATED = ('mmdet', 'mmseg', 'mmdet3d')
"""Packages whose ``__init__`` asserts on the version strings of the packages above."""


def install_plugin(registering: Sequence[str]) -> None:
    """Prepare the imports of mmcv, mmdet, mmseg and mmdet3d, and register this project's parts with mmdet3d.

    Args:
        registering: modules to import as soon as mmdet3d is (at once where it already is).
    """

    def register() -> None:
        for name in registering:
            importlib.import_module(name)

    # Not after mmdet3d.registry: its neighbours import that halfway through, when ours could not import them.
    after = {'mmcv.utils.ext_loader': replace_missing_operators, 'mmdet3d': register}
    after['numba'] = kernel_cache.use_own_folder
    imported = [after.pop(name) for name in list(after) if name in sys.modules]
    sys.meta_path.insert(0, _ImportHook({name: accepted_versions for name in GATED}, after))
    for prepare in imported:
        prepare()


@contextmanager
def accepted_versions() -> Iterator[None]:
    """Show version gates the newest versions that they accept where newer ones are installed."""
    hidden: dict[Any, str] = {}
    for name, accepted in NEWEST_ACCEPTED.items():
        module: Any = importlib.import_module(name) if importlib.util.find_spec(name) else None
        # A package that is being imported right now has no version yet, and does not gate on itself.
        version = getattr(module, '__version__', None)
        if version is not None and _release(version) > _release(accepted):
            hidden[module] = version
            module.__version__ = accepted
    try:
        yield
    finally:
        for module, version in hidden.items():
            module.__version__ = version


def replace_missing_operators() -> None:
    """Let ``mmcv.ops`` import without compiled operators: each then raises an ImportError when it is called."""
    if importlib.util.find_spec('mmcv._ext') is not None:
        return
    loader: Any = sys.modules['mmcv.utils.ext_loader']
    loader.load_ext = lambda name, functions: SimpleNamespace(**{f: _missing_operator(f) for f in functions})


def _missing_operator(name: str) -> Callable:
    def missing(*args, **kwargs):
        raise ImportError(
            f'mmcv.ops.{name} needs compiled operators, which mmcv-lite does not have. This project does not use it; '
            'a model that does needs a full mmcv 2.x.'
        )

    return missing


def _release(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split('.')[:3] if part.isdigit())


class _ImportHook(importlib.abc.MetaPathFinder):
    """Runs given modules inside a context, and calls a function once given modules are imported."""

    def __init__(self, around: dict[str, Callable[[], AbstractContextManager]], after: dict[str, Callable[[], None]]):
        self.around = around
        self.after = after

    def find_spec(self, fullname: str, path=None, target=None) -> importlib.machinery.ModuleSpec | None:
        if fullname not in self.around and fullname not in self.after:
            return None
        # All others are asked: an editable install has a finder of its own.
        others = (finder for finder in sys.meta_path if finder is not self and hasattr(finder, 'find_spec'))
        spec = next(filter(None, (finder.find_spec(fullname, path, target) for finder in others)), None)
        if spec is not None and spec.loader is not None:
            self._wrap(spec.loader, self.around.get(fullname, nullcontext), self.after.get(fullname))
        return spec

    @staticmethod
    def _wrap(loader: Any, context: Callable, after: Callable[[], None] | None) -> None:
        execute = loader.exec_module

        def exec_module(module: ModuleType) -> None:
            with context():
                execute(module)
            if after is not None:
                after()

        loader.exec_module = exec_module
