"""Parameters of tests."""

import re


def without_addresses(value):
    """The text of a value without addresses, so that all processes of pytest have the same names."""
    return re.sub(" at 0x[0-9a-f]+", "", str(value))
