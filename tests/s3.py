"""S3 in memory, for every test of what speaks to a store."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

from moto import mock_aws


def in_memory() -> AbstractContextManager[Any]:
    """Return a context in which boto3 speaks to moto, which begins empty.

    boto3's session stays: a new one reads for 0.05 s a client what the last one had read.
    """
    return mock_aws(config={"core": {"reset_boto3_session": False}})
