"""Configurations of experiments, as files and ``KEY=VALUE`` options have them."""

import inspect
import os
import traceback
from argparse import Namespace
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from mmengine.config import Config, DictAction
from mmengine.registry import init_default_scope
from mmengine.runner import Runner

NEEDED = ('model', 'train_dataloader', 'test_dataloader')

SHIPPED = (Path(__file__).parents[1] / 'configs', Path(__file__).resolve().parents[2] / 'config')
"""Where configurations are: in an installed package, and in a checkout."""

_OPTIONAL = (
    'activation_checkpointing', 'compile', 'custom_imports', 'efficient_conv_bn_eval', 'find_unused_parameters',
    'model_wrapper_cfg', 'sync_bn',
)  # fmt: skip
"""Entries that mmengine's runner looks up in the configuration, beside its own arguments."""

_LEAST = {
    'train_cfg.max_epochs': 1,
    'train_cfg.val_interval': 1,
    **{f'{part}_dataloader.batch_size': 1 for part in ('train', 'val', 'test')},
    **{f'{part}_dataloader.num_workers': 0 for part in ('train', 'val', 'test')},
}
"""Entries that are whole numbers, and the least that each may be."""

_RENAMED = {'seed_compatible': 'baseline_compatible'}
_RENAMED_TYPES = {'OccupancySeedLR': 'OccupancyBaselineLR'}
"""Earlier names of entries and of registered parts; configurations that have them go on to work."""


def read_config(path: str | Path, options: Sequence[str] = (), needed: Sequence[str] = NEEDED) -> Config:
    """The configuration of an experiment; from then on names mean parts in mmdet3d's registries.

    Args:
        path: a Python file, or the name of a shipped configuration, such as ``occupancy_tiny``.
        options: ``KEY=VALUE`` replacements of entries.
        needed: entries that it must have.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is not a configuration of an experiment, or an option is no KEY=VALUE or replaces nothing.
    """
    path = find_config(path)
    try:
        with _quotable_environment():
            config = Config.fromfile(path)
    except Exception as error:  # a configuration is a program, and may fail in any way
        raise ValueError(
            f'{path}: not a configuration ({_reason(error)}); it must be a Python file like config/*.py'
        ) from error
    _replace(config, options)
    _rename(config._cfg_dict)
    missing = [key for key in needed if key not in config]
    if missing:
        raise ValueError(f'{path}: sets no {", ".join(missing)}; is it the base of other configurations?')
    _check_numbers(config)
    init_default_scope(config.get('default_scope', 'mmdet3d'))
    return config


@contextmanager
def _quotable_environment() -> Iterator[None]:
    """``DATA_ROOT`` as it must be between the quotes of a configuration, where mmengine puts it letter by letter."""
    was = os.environ.get('DATA_ROOT')
    if was is not None:
        literal = was.replace('\\', r'\\').replace("'", r'\'').replace('\n', r'\n')
        # There it is the replacement of a regular expression, in which backslashes have a meaning of their own.
        os.environ['DATA_ROOT'] = literal.replace('\\', r'\\')
    try:
        yield
    finally:
        if was is not None:
            os.environ['DATA_ROOT'] = was


def find_config(name: str | Path) -> Path:
    """The file of a configuration: the one of that name, or a shipped one, such as ``occupancy_tiny``.

    Raises:
        FileNotFoundError: there is neither.
    """
    path = Path(name)
    if path.is_file():
        return path
    folder = next(folder for folder in SHIPPED if folder.is_dir())
    shipped = folder / f'{path.stem}.py'
    if path.parent in (Path(), Path('config')) and path.suffix in ('', '.py') and shipped.is_file():
        return shipped
    known = ', '.join(sorted(file.stem for file in folder.glob('*.py')))
    raise FileNotFoundError(f'there is no configuration {name}; those that are shipped are {known}')


def _reason(error: Exception) -> str:
    """The error, and the line of the configuration, or of a base of it, that it is in."""
    lines = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.name == '<module>']
    place = f'{lines[-1].filename}, line {lines[-1].lineno}: ' if lines else ''
    return f'{place}{type(error).__name__}: {error}'


def _replace(config: Config, options: Sequence[str]) -> None:
    """Replace entries, read as mmdet3d's commands read them: numbers, booleans, lists and text."""
    known = {*config, *inspect.signature(Runner.__init__).parameters, *_OPTIONAL}
    for option in options:
        if '=' not in option:
            raise ValueError(f'--cfg-options {option}: give KEY=VALUE, such as train_cfg.max_epochs=12')
        first = option.partition('=')[0].partition('.')[0]
        if first not in known:
            close = get_close_matches(first, known, 1)
            hint = f'; did you mean {close[0]}?' if close else ''
            raise ValueError(f'--cfg-options {option}: the configuration has no {first}{hint}')
    parsed = Namespace()
    try:
        DictAction('', 'options')(None, parsed, options)
        config.merge_from_dict(parsed.options)
    except (AssertionError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f'--cfg-options {" ".join(options)}: {error}') from error


def _rename(entry: Any) -> None:
    """Give earlier names in a configuration, at any depth, their present ones."""
    if isinstance(entry, dict):
        for old, new in _RENAMED.items():
            if old in entry:
                entry[new] = entry.pop(old)
        if entry.get('type') in _RENAMED_TYPES:
            entry['type'] = _RENAMED_TYPES[entry['type']]
    if isinstance(entry, (dict, list, tuple)):
        for part in entry.values() if isinstance(entry, dict) else entry:
            _rename(part)


def _check_numbers(config: Config) -> None:
    for key, least in _LEAST.items():
        part, _, name = key.partition('.')
        value = (config.get(part) or {}).get(name, least)
        if not isinstance(value, int) or value < least:
            raise ValueError(f'{key}={value}: give a whole number from {least} up')
