"""The one error that is the user's to mend."""


class CairnError(ValueError):
    """Bad input, with the cure in the message.

    The message says what is wrong, where it stands (file, line, key) and what to do next. Command lines print it
    without a traceback and exit with status 1; anything else that escapes is a fault of Cairn.
    """
