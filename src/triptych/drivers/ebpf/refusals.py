"""The kernel's errno as one of Triptych's errors."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager

from triptych.errors import DataPlaneError, PrivilegeError, TableFullError
from triptych.kernel.maps import FULL


@contextmanager
def named(what: str, full: str = "") -> Iterator[None]:
    """Turn an OSError into the error that says what was being done.

    `full` is the remedy when a map has no room: it makes TableFullError.
    """
    try:
        yield
    except OSError as error:
        code = error.errno or 0
        if full and code in FULL:
            raise TableFullError(f"{what}: no room; {full}") from error
        if code == errno.EPERM and os.geteuid() != 0:
            raise PrivilegeError(f"{what}: not permitted; run as root") from error
        raise DataPlaneError(f"{what}: {error.strerror or error}") from error
