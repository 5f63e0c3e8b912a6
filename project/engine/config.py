"""Configurations of experiments, as files and ``KEY=VALUE`` options have them."""

from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from mmengine.config import Config, DictAction
from mmengine.registry import init_default_scope

NEEDED = ('model', 'train_dataloader', 'test_dataloader')


def read_config(path: str | Path, options: Sequence[str] = ()) -> Config:
    """The configuration of an experiment; from then on names mean parts in mmdet3d's registries.

    Args:
        path: a Python file.
        options: ``KEY=VALUE`` replacements of entries.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is not a configuration of an experiment, or an option is no KEY=VALUE.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f'there is no configuration {path}; the folder config has those that are shipped')
    try:
        config = Config.fromfile(path)
    except (OSError, SyntaxError) as error:
        raise ValueError(f'{path}: not a configuration ({error}); it must be a Python file like config/*.py') from error
    config.merge_from_dict(_parsed(options))
    missing = [key for key in NEEDED if key not in config]
    if missing:
        raise ValueError(f'{path}: sets no {", ".join(missing)}; is it the base of other configurations?')
    init_default_scope(config.get('default_scope', 'mmdet3d'))
    return config


def _parsed(options: Sequence[str]) -> dict:
    """Values of options, read as mmdet3d's commands read them: numbers, booleans, lists and text."""
    for option in options:
        if '=' not in option:
            raise ValueError(f'--cfg-options {option}: give KEY=VALUE, such as train_cfg.max_epochs=12')
    parsed = Namespace()
    DictAction('', 'options')(None, parsed, options)
    return parsed.options
