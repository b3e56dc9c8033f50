"""The one HTTP client of the tools on this machine."""

from typing import Any

import requests


def send(method: str, url: str, *, seconds: float = 30.0, **request: Any) -> requests.Response:
    """One request, past any proxy, whose redirect is not followed. Raises requests.RequestException.

    `request` has the options of `requests.request`: headers, data, json and so on.
    """
    with requests.Session() as session:
        session.trust_env = False
        return session.request(method, url, timeout=seconds, allow_redirects=False, **request)
