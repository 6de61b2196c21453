"""S3 refuses a clock that is wrong: the message says so, and speaks of no credentials."""

import pytest
from botocore.exceptions import ClientError

from cairnhub.core.errors import Unreachable
from cairnhub.datasets_hub.storage_errors import explained


@pytest.mark.parametrize(
    ("code", "said"),
    [("RequestTimeTooSkewed", "set this machine's clock right"), ("AccessDenied", "check your credentials")],
)
def test_a_refusal_says_what_to_do(code: str, said: str) -> None:
    with pytest.raises(Unreachable, match=f"s3://hub/toy: no permission .*{said}"), explained("s3://hub/toy"):
        raise PermissionError("try again") from ClientError({"Error": {"Code": code}}, "PutObject")
