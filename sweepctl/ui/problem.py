"""What keeps a page from being shown: a status of HTTP, the problem, and what to do."""

from collections.abc import Mapping
from typing import Any, Self

from sweepctl.errors import StoreError, SweepctlError, UnknownRunError, UsageError


class Problem(Exception):  # noqa: N818  not sweepctl's own error, but how a page shows one
    """A page that cannot be shown."""

    def __init__(self, status: int, message: str, remedy: str | None = None) -> None:
        """`status` is that of HTTP."""
        self.status, self.message, self.remedy = status, message, remedy
        super().__init__(message)

    @classmethod
    def of(cls, error: Mapping[str, Any]) -> Self:
        """Return the problem that an error is, from its JSON."""
        said, code = error["error"], error["exit_code"]
        status = {UsageError.exit_code: 400, StoreError.exit_code: 503}.get(code, 500)
        status = 404 if said["kind"] == UnknownRunError.kind else status
        return cls(status, said["message"], said["remedy"])

    @classmethod
    def from_exception(cls, error: Exception) -> "Problem":
        """Return the problem that any exception is."""
        if isinstance(error, Problem):
            return error
        if isinstance(error, SweepctlError):
            return cls.of(error.to_json())
        return cls(500, "An unexpected error: it is a bug of sweepctl.", "The terminal of `sweepctl ui` shows where.")
