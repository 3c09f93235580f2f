"""Functions that fail where a test says so, in a way that nobody foresaw."""

from collections.abc import Callable


def failing(real: Callable[..., object], hostile: Callable[..., bool], error: Exception) -> Callable[..., object]:
    """The function, but for what is hostile.

    Args:
        real: what is called otherwise.
        hostile: whether it fails, by the positional arguments of the call.
        error: what it raises then.
    """

    def call(*args: object, **keys: object) -> object:
        if hostile(*args):
            raise error
        return real(*args, **keys)

    return call
