"""Faults of the command line that are a person's to mend; kept apart so that no command loads another's libraries."""


class CommandError(Exception):
    """What was asked for cannot be done; the message says why and what to do."""


class ItemFileError(CommandError):
    """An item file is missing or wrong."""


class BusServerError(CommandError):
    """No Valkey for this machine; the message says what to do."""
