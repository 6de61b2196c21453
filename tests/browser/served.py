"""The review app at an address of this machine."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from cairnhub.hierarchies.review.app.api import ReviewApi
from cairnhub.hierarchies.review.app.server import listen, make_server


@contextmanager
def served(api: ReviewApi) -> Iterator[str]:
    """Its address, as long as the block lasts."""
    address = listen()
    server = make_server(api, address)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [address.socket]}, daemon=True)
    thread.start()
    try:
        yield address.url
    finally:
        server.should_exit = True
        thread.join(10)
