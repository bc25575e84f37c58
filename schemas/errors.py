"""Errors with messages for the person who made the call."""


class ConfigurationError(ValueError):
    """The call, the configuration or the input is wrong; the message is one line.

    The message names the option, file, column or field and the reason. The
    command line prints it and exits with 2.
    """
