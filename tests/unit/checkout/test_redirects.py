"""Where a customer may be sent back to: what counts as which origin."""

import pytest

from checkout.base.config import Config
from checkout.base.errors import ConfigurationError
from checkout.base.redirects import is_relative, origin_of


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://shop.example.com", "https://shop.example.com"),
        ("https://shop.example.com/paid?session={CHECKOUT_SESSION_ID}#top", "https://shop.example.com"),
        ("HTTPS://Shop.Example.com:443/", "https://shop.example.com"),
        ("https://shop.example.com:8443/", "https://shop.example.com:8443"),
        ("http://127.0.0.1:9996/balance", "http://127.0.0.1:9996"),
        ("http://[::1]:80/", "http://[::1]"),
    ],
)
def test_an_origin(url: str, origin: str) -> None:
    assert origin_of(url) == origin


@pytest.mark.parametrize(
    "url",
    [
        "",
        "/balance",
        "//shop.example.com/",
        "https://",
        "https:/shop.example.com",
        "https:\\\\shop.example.com",
        "https://shop.example.com\\@evil.example.com/",
        "https://shop.example.com@evil.example.com/",
        "https://user:secret@shop.example.com/",
        "https://shop.example\n.com/",
        " https://shop.example.com/",
        "https://shop.example.com:port/",
        "https://[::1/",
        "javascript:alert(1)",
        "data:text/html,x",
        "ftp://shop.example.com/",
        "shop.example.com:443/",
    ],
)
def test_no_origin(url: str) -> None:
    assert origin_of(url) is None


@pytest.mark.parametrize(
    ("url", "relative"),
    [
        ("", True),
        ("/balance?status=success", True),
        ("balance", True),
        ("/\\evil.example.com", True),
        ("//evil.example.com/", False),
        ("https://evil.example.com/", False),
        ("javascript:alert(1)", False),
        ("https://[::1/", False),
    ],
)
def test_relative(url: str, relative: bool) -> None:
    assert is_relative(url) is relative


def test_our_own_origin_is_always_allowed() -> None:
    assert Config({}).redirect_origins == set()
    assert Config({"PUBLIC_ORIGIN": "https://pay.example.com/"}).redirect_origins == {
        "https://pay.example.com"
    }
    config = Config(
        {
            "PUBLIC_ORIGIN": "https://pay.example.com",
            "ALLOWED_REDIRECT_ORIGINS": "https://A.example.com/, http://localhost:3000",
        }
    )
    assert config.redirect_origins == {
        "https://pay.example.com",
        "https://a.example.com",
        "http://localhost:3000",
    }


@pytest.mark.parametrize(
    "text", ["*", "a.example.com", "https://a.example.com,", "https://a.example.com/shop"]
)
def test_an_allow_list_that_would_not_mean_what_it_says_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match="ALLOWED_REDIRECT_ORIGINS"):
        _ = Config({"ALLOWED_REDIRECT_ORIGINS": text}).redirect_origins


@pytest.mark.parametrize(
    ("origin", "is_taken"),
    [
        ("https://pay.example.com", True),
        ("http://127.0.0.1:9996", True),
        ("http://[::1]:9996", True),
        ("http://localhost:3000", True),
        ("http://pay.example.com", False),
        ("http://10.0.0.1", False),
        ("http://127.0.0.1.example.com", False),
        ("HTTP://pay.example.com", False),
        ("ftp://pay.example.com", False),
        ("pay.example.com", False),
        ("https://[::1", False),
        ("https://pay.example.com/balance", False),
        ("https://pay.example.com?tenant=1", False),
        ("https://pay.example.com#top", False),
    ],
)
def test_an_origin_is_a_host_and_http_is_for_this_machine_alone(origin: str, is_taken: bool) -> None:
    for name in ("PUBLIC_ORIGIN", "ALLOWED_REDIRECT_ORIGINS"):
        config = Config({name: origin})
        if is_taken:
            config.check()
        else:
            with pytest.raises(ConfigurationError, match=f"^{name} "):
                config.check()
    config = Config({"PUBLIC_ORIGIN": origin})
    if is_taken:
        assert config.public_origin == config.own_origin == origin
    else:
        with pytest.raises(ConfigurationError, match=r"^PUBLIC_ORIGIN must be https"):
            _ = config.public_origin
        with pytest.raises(ConfigurationError, match=r"^PUBLIC_ORIGIN must be https"):
            _ = config.own_origin
