"""Errors that a user can fix."""


class UserError(ValueError):
    """Something that the user can fix: the message names the file or option, what is wrong with it and what to do.

    It is shown as one sentence. So is an OSError, which names its file; every other exception is a bug of this program,
    and keeps its traceback.
    """


FIXABLE = (UserError, OSError, ImportError)
"""Exceptions whose message is all that the user needs; an ImportError names the package to install."""


def what_is_wrong(error: BaseException) -> str:
    """One sentence for the user; unexpected errors are named by their type."""
    if isinstance(error, OSError) and error.filename and error.strerror:
        return printable(f'{error.filename}: {error.strerror}')
    return printable(str(error) if isinstance(error, FIXABLE) else f'{type(error).__name__}: {error}')


def printable(text: str) -> str:
    r"""A text that any terminal takes: what is no character, as in damaged tables and names of files, as ``\udc80``."""
    return text.encode('utf-8', 'backslashreplace').decode()
