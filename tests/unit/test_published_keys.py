"""No file looks as if it held a key: the push protection of whoever forks this would stop them."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

# As the scanners of GitHub, gitleaks and TruffleHog publish them, each at its widest.
KEYS = re.compile(
    r"\b(?:sk|rk)_(?:live|test|prod)_[A-Za-z0-9]{10,}"  # Stripe: secret and restricted keys
    r"|\bwhsec_[A-Za-z0-9+/=]{32,}"  # Stripe: signing secrets of webhook endpoints
    r"|\b(?:A3T[A-Z0-9]|AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}\b"  # AWS: access key ids
    r"""|(?i:aws.{0,20}(?:secret|key).{0,20}["'=:\s])[A-Za-z0-9/+]{40}(?![A-Za-z0-9/+=])"""  # and secrets
)


def test_no_tracked_file_looks_as_if_it_held_a_key() -> None:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)
    paths = [ROOT / name for name in listed.stdout.split("\0") if name]
    texts = {path: path.read_text("utf-8", errors="replace") for path in paths if path.is_file()}
    assert len(texts) > 100
    assert {
        f"{path.relative_to(ROOT)}: {found[0][:12]}…"
        for path, text in texts.items()
        for found in KEYS.finditer(text)
    } == set()


@pytest.mark.parametrize(
    ("prefix", "rest"),
    [
        ("sk_live_", "51" + "aB3" * 33),
        ("rk_live_", "aB3" * 8),
        ("sk_test_", "aB3" * 8),
        ("whsec_", "aB3/" * 8),
        ("AKIA", "Q7" * 8),
        ("ASIA", "Q7" * 8),
        ("aws_secret_access_key = ", "aB3/" * 10),
    ],
)
def test_a_key_is_found(prefix: str, rest: str) -> None:
    assert KEYS.search(f"KEY={prefix}{rest}\n")


@pytest.mark.parametrize("text", ["sk_live_", '("sk_live_", "rk_live_")', "sk_live_abc", "whsec_…", "AKIA"])
def test_a_prefix_is_no_key(text: str) -> None:
    assert not KEYS.search(text)
