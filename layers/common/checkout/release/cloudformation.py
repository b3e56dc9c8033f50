"""The answer to a custom resource of CloudFormation's, which waits for it at a presigned URL of S3."""

import json
import time
import urllib.error
import urllib.request
from collections.abc import Mapping

ATTEMPTS = 5
PAUSE_SECONDS = 1.0
TIMEOUT_SECONDS = 10
MAX_REASON_LENGTH = 1000


def answer(
    url: str,
    request: Mapping[str, str],
    resource_id: str,
    *,
    failure: str | None,
    attributes: Mapping[str, str],
) -> None:
    """`failure` None means success. `request` is the event; CloudFormation takes the first answer only.

    Raises OSError if S3 could not be reached in five attempts.
    """
    content = {
        "Status": "SUCCESS" if failure is None else "FAILED",
        "Reason": (failure or "")[:MAX_REASON_LENGTH],
        "PhysicalResourceId": resource_id,
        "Data": dict(attributes),
        **{name: request[name] for name in ("StackId", "RequestId", "LogicalResourceId")},
    }
    body = json.dumps(content).encode()
    for attempt in range(ATTEMPTS):
        try:
            # The signature covers an empty content type; urllib would send one of its own.
            put = urllib.request.Request(url, data=body, method="PUT", headers={"Content-Type": ""})  # noqa: S310
            with urllib.request.urlopen(put, timeout=TIMEOUT_SECONDS):  # noqa: S310
                return
        except OSError:
            if attempt + 1 == ATTEMPTS:
                raise
            time.sleep(PAUSE_SECONDS * 2**attempt)
