"""Who calls, as AWS says: its Security Token Service answers who has signed a request.

Lambda does not say who invokes a function. So a caller signs that question to STS, for this act only and for
a minute, and the function sends it: nobody else could have signed it, and it is good for no other act.
"""

import hashlib
import json
import re
import urllib.error
import urllib.request
from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qs, urlsplit

from checkout.base.errors import InvalidRequest, Unavailable

PROOF_SECONDS = 60
TIMEOUT_SECONDS = 5
ACT_HEADER = "x-checkout-act"

_QUESTION = {"Action": "GetCallerIdentity", "Version": "2011-06-15"}
_NOT_PROVED = "The identity is not proved:"


def own() -> str:
    """The ARN that this process's credentials belong to. Raises Unavailable."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        return str(_sts().get_caller_identity()["Arn"])
    except ClientError as error:
        raise Unavailable(f"AWS refuses to say who you are: {error.response['Error']['Code']}.") from error
    except BotoCoreError as error:
        raise Unavailable("AWS does not say who you are.") from error


def proof(function: str, words: Sequence[str]) -> str:
    """For `proved`: an address, signed with the credentials of this process, good for a minute and only for
    these words to this function. Raises Unavailable if there are no credentials."""
    import boto3
    from botocore.auth import SigV4QueryAuth
    from botocore.awsrequest import AWSRequest

    credentials = boto3.Session().get_credentials()
    if credentials is None:
        raise Unavailable("There are no credentials of AWS.")
    sts = _sts()
    asked = AWSRequest(
        "GET", f"{sts.meta.endpoint_url}/", params=_QUESTION, headers={ACT_HEADER: _digest(function, words)}
    )
    SigV4QueryAuth(credentials, "sts", sts.meta.region_name, expires=PROOF_SECONDS).add_auth(asked)
    return str(asked.prepare().url)


def proved(address: str, function: str, words: Sequence[str], account: str) -> str:
    """The ARN of the caller who signed `address` for these words to this function, which `account` owns.

    Raises InvalidRequest if it is no such proof, or the identity is of another account, where one person can
    take any names; Unavailable if STS does not answer.
    """
    query = parse_qs(urlsplit(address).query)
    signed = query.get("X-Amz-SignedHeaders", [])
    is_for_acts = len(signed) == 1 and ACT_HEADER in signed[0].split(";")
    if not is_for_acts or not address.startswith(f"{_sts().meta.endpoint_url}/?"):
        raise InvalidRequest(f"{_NOT_PROVED} it must be an address of STS, signed for this act.")
    if any(query.get(name) != [value] for name, value in _QUESTION.items()):
        raise InvalidRequest(f"{_NOT_PROVED} it must ask STS for {_QUESTION['Action']}.")
    asked = urllib.request.Request(address, headers={ACT_HEADER: _digest(function, words)})  # noqa: S310
    try:
        with urllib.request.urlopen(asked, timeout=TIMEOUT_SECONDS) as answer:  # noqa: S310
            arn = re.search(r"<Arn>([^<]+)</Arn>", answer.read().decode())
    except urllib.error.HTTPError as error:
        if error.code < 500:
            raise InvalidRequest(f"{_NOT_PROVED} STS refuses it, as it does after a minute.") from error
        raise Unavailable("STS does not answer.") from error
    except OSError as error:
        raise Unavailable("STS does not answer.") from error
    if arn is None:
        raise Unavailable("STS does not say who it is.")
    if arn[1].split(":")[4] != account:
        raise InvalidRequest(f"{_NOT_PROVED} it is of another AWS account than the function's.")
    return arn[1]


def person(identity: str) -> str:
    """The name of the person behind an identity: the same in each role that this person can assume."""
    return identity.rpartition("/")[2] if identity.startswith("arn:") else identity


def _digest(function: str, words: Sequence[str]) -> str:
    return hashlib.sha256(json.dumps([function, *words]).encode()).hexdigest()


def _sts() -> Any:
    # Takes 0.5 s to import, and is needed only here.
    import boto3
    from botocore.config import Config

    return boto3.client(
        "sts",
        config=Config(
            connect_timeout=TIMEOUT_SECONDS, read_timeout=TIMEOUT_SECONDS, retries={"total_max_attempts": 2}
        ),
    )
