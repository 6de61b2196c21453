"""The collector rests in the block, and is afterwards as it was."""

import gc

import pytest

from cairnhub.core.collector import collector_paused


@pytest.mark.parametrize("was_on", [True, False])
def test_it_is_as_it_was(was_on: bool) -> None:
    before = gc.isenabled()
    try:
        (gc.enable if was_on else gc.disable)()
        with collector_paused():
            assert not gc.isenabled()
        assert gc.isenabled() == was_on
    finally:
        (gc.enable if before else gc.disable)()
