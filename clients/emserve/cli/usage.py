"""What is wrong with a command line beyond what argparse sees."""


class UsageError(Exception):
    """Options that do not go together; the message says what to give instead."""
