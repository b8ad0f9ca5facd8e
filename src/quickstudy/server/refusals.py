"""What a request can do wrong: a UserError with the HTTP status that says so."""

from __future__ import annotations

from typing import ClassVar

from quickstudy.errors import UserError


class RefusedError(UserError):
    """A request that is not right."""

    status: ClassVar[int] = 400


class NoKeyError(RefusedError):
    """It says not, or wrongly, who asks."""

    status = 401


class ForbiddenError(RefusedError):
    """It comes from somewhere that may not ask."""

    status = 403


class NotThereError(RefusedError):
    """What it names does not exist, or is somebody else's."""

    status = 404


class ClashError(RefusedError):
    """It does not fit what is there."""

    status = 409


class TooLargeError(RefusedError):
    """It has more of something than is taken."""

    status = 413


class OtherKindError(RefusedError):
    """Its body is of a kind that is not read here."""

    status = 415


class TooManyError(RefusedError):
    """It comes too soon after others."""

    status = 429


class NoStoreError(RefusedError):
    """The database cannot be reached or written."""

    status = 503
