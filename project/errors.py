"""Errors that a user can fix."""


class UserError(ValueError):
    """Something that the user can fix: the message names the file or option, what is wrong with it and what to do.

    It is shown as one sentence. So is an OSError, which names its file; every other exception is a bug of this program,
    and keeps its traceback.
    """


SHOWN_AS: dict[str, str] = {}
"""What the user calls a folder of this process, such as the URL of which it holds copies."""

FIXABLE = (UserError, OSError, ImportError)
"""Exceptions whose message is all that the user needs; an ImportError names the package to install."""


def what_is_wrong(error: BaseException) -> str:
    """One sentence for the user; unexpected errors are named by their type."""
    if isinstance(error, OSError) and error.filename and error.strerror:
        return printable(shown(f'{error.filename}: {error.strerror}'))
    return printable(shown(str(error) if isinstance(error, FIXABLE) else f'{type(error).__name__}: {error}'))


def shown(text: object) -> str:
    """A text, in which folders that the user knows by another name have that name."""
    text = str(text)
    for folder, name in SHOWN_AS.items():
        text = text.replace(folder, name)
    return text


def printable(text: str) -> str:
    r"""A text that any terminal takes: what is no character, as in damaged tables and names of files, as ``\udc80``."""
    return text.encode('utf-8', 'backslashreplace').decode()
