"""The error that a user can mend."""


class DataError(ValueError):
    """Data, a request or a setting is wrong.

    The message is one line that gives the place, the value, the limit and the way out.
    """
