"""What stands for a call that the system refuses: a full disk, a bad sector."""

import os
from collections.abc import Callable
from typing import NoReturn


def refusing(number: int) -> Callable[..., NoReturn]:
    """Return a function that raises the OSError of this errno, whatever it is called with."""

    def refuse(*_: object, **__: object) -> NoReturn:
        raise OSError(number, os.strerror(number))

    return refuse
