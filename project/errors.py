"""What went wrong, for the user."""


class UserError(ValueError):
    """Something that the user can fix: the message names the file or option, what is wrong with it and what to do.

    It is shown as one sentence. So is an OSError, which names its file; every other exception is a mistake of this
    program, and keeps its traceback.
    """


FIXABLE = (UserError, OSError, ImportError)
"""Exceptions of which the message is all that the user needs; an ImportError names what is to be installed."""


def what_is_wrong(error: BaseException) -> str:
    """One sentence for the user; errors that nobody foresaw are named by their type."""
    if isinstance(error, OSError) and error.filename and error.strerror:
        return f'{error.filename}: {error.strerror}'
    return str(error) if isinstance(error, FIXABLE) else f'{type(error).__name__}: {error}'
