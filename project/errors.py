"""What went wrong, for the user."""


class UserError(ValueError):
    """Something that the user can mend: the message names the file or option, what is wrong with it and what to do.

    It is shown as one sentence. Every other exception but an OSError that names its file is a mistake of this program,
    and keeps its traceback.
    """


def is_mendable(error: BaseException) -> bool:
    """Whether the message of an error is all that the user needs."""
    named = isinstance(error, OSError) and error.filename is not None
    return named or isinstance(error, UserError | ImportError | OSError | ValueError)


def what_is_wrong(error: BaseException) -> str:
    """One sentence for the user; errors that nobody foresaw are named by their type."""
    if isinstance(error, OSError) and error.filename and error.strerror:
        return f'{error.filename}: {error.strerror}'
    return str(error) if isinstance(error, ImportError | OSError | ValueError) else f'{type(error).__name__}: {error}'
