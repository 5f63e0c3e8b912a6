"""Decides which errors a user can fix: these become one sentence; all others are bugs and keep their traceback."""

import re
import traceback
from pathlib import Path

from project.errors import UserError

_PROJECT = Path(__file__).resolve().parents[1]
_FIXABLE = (ValueError, OSError, FloatingPointError, ImportError)
_WRONG_OPTION = re.compile(
    'is not in the .* registry|must contain the key "type"|unexpected keyword argument|missing .* required .* argument'
)


def sentence(error: BaseException | None) -> str | None:
    """The sentence for the user; None if the traceback is needed.

    These are errors that this project raises on purpose, also in a loading process or where a registry passes them on;
    files that cannot be opened, read or written; and parts of a configuration that do not exist.
    """
    while error is not None:
        said = _own(error)
        if said is not None:
            return said
        # A registry raises an error of the same kind; another kind says that handling the first one failed.
        same = type(error.__context__) is type(error) and not error.__suppress_context__
        error = error.__cause__ or (error.__context__ if same else None)
    return None


def _own(error: BaseException) -> str | None:
    frames, text = traceback.extract_tb(error.__traceback__), str(error)
    in_worker = 'DataLoader worker process' in text
    if isinstance(error, UserError):
        return _last_message(text) if in_worker else text
    if isinstance(error, OSError) and error.filename is not None:
        return text
    if isinstance(error, _FIXABLE):
        if frames and _on_purpose(frames[-1].filename, frames[-1].line):
            return text
        if in_worker and _on_purpose(*_last_frame(text)):
            return _last_message(text)
    by_registry = isinstance(error, (KeyError, TypeError)) and frames and 'mmengine' in Path(frames[-1].filename).parts
    if by_registry and _WRONG_OPTION.search(text):
        return f'the configuration names something that does not exist: {error.args[0]}'
    return None


def _on_purpose(file: str, line: str | None) -> bool:
    return Path(file).is_relative_to(_PROJECT) and (line or '').startswith('raise ')


def _last_message(text: str) -> str:
    """Message of the error with which a traceback, as text, ends."""
    return text.splitlines()[-1].partition(': ')[2]


def _last_frame(text: str) -> tuple[str, str]:
    """File and line of code where a traceback, as text, ends."""
    found = re.findall(r'^ *File "(.*)", line .*\n *(.*)$', text, re.MULTILINE)
    return found[-1] if found else ('', '')
