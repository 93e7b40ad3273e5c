"""Errors that are told to a person in one sentence."""


class RequestError(ValueError):
    """The request was wrong: says what came, what is allowed and what to do. Exit code 2."""


class DamagedFileError(RequestError):
    """A cache, adapter or session file is not what its header or checksum promises."""
