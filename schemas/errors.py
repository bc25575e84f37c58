"""Errors with messages for the person who made the call."""

from __future__ import annotations


class ConfigurationError(ValueError):
    """The call, the configuration or the input is wrong; the message is one line.

    The message names the file, column or field and the reason. The command line prints it and
    exits with 2. No layer below the command line knows how an option is spelt there: an error
    carries the field, and a reason that mentions another option puts the field's name between
    backquotes, as in "the folder holds a run; `resume` goes on with it". The command line
    replaces both by flags.

    Args:
        reason: what is wrong.
        field: the option that is wrong, by the name of its field.

    Attributes:
        reason: what is wrong, without the field.
        field: the option that is wrong; None where it is a file or another thing.
    """

    def __init__(self, reason: str, *, field: str | None = None):
        super().__init__(reason if field is None else f"{field}: {reason}")
        self.reason = reason
        self.field = field


class StepError(RuntimeError):
    """A step of a pipeline failed; the cause is the error of the step itself.

    Args:
        step: label of the step.
        error: what it raised.
    """

    def __init__(self, step: str, error: Exception):
        super().__init__(f"{error} [while running '{step}']")
