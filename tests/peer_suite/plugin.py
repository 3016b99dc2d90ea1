"""A pytest plugin for the tests of the PyPI package: makes PyTorch optional, and provides the fixture `mocker`."""

from unittest import mock

import pytest

try:
    import torch  # noqa: F401
except ImportError:
    import torch_stub

    torch_stub.install()


@pytest.fixture
def mocker():
    """The method `patch` of pytest-mock."""
    patches = []

    def patch(target, **options):
        patches.append(mock.patch(target, **options))
        return patches[-1].start()

    yield mock.Mock(patch=patch)
    for patched in reversed(patches):
        patched.stop()
