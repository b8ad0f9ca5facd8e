"""What a request can do wrong: a UserError with the HTTP status that says so."""

from __future__ import annotations

from typing import ClassVar

from quickstudy.errors import UserError


class Refused(UserError):
    """A request that is not right."""

    status: ClassVar[int] = 400


class NoKey(Refused):
    """It says not, or wrongly, who asks."""

    status = 401


class Forbidden(Refused):
    """It comes from somewhere that may not ask."""

    status = 403


class NotThere(Refused):
    """What it names does not exist, or is somebody else's."""

    status = 404


class Clash(Refused):
    """It does not fit what is there."""

    status = 409


class TooLarge(Refused):
    """It has more of something than is taken."""

    status = 413


class OtherKind(Refused):
    """Its body is of a kind that is not read here."""

    status = 415


class TooMany(Refused):
    """It comes too soon after others."""

    status = 429


class NoStore(Refused):
    """The database cannot be reached or written."""

    status = 503
