"""What went wrong, for the user."""


def what_is_wrong(error: Exception) -> str:
    """One sentence for the user; errors that nobody foresaw are named by their type."""
    if isinstance(error, OSError) and error.filename and error.strerror:
        return f'{error.filename}: {error.strerror}'
    return str(error) if isinstance(error, ImportError | OSError | ValueError) else f'{type(error).__name__}: {error}'
