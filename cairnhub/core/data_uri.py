"""Pictures inside a page."""

import base64


def data_uri(jpeg: bytes) -> str:
    """A picture as an address that needs no file."""
    return "data:image/jpeg;base64," + base64.b64encode(jpeg).decode()
