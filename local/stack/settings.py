"""The stack's settings: the environment, then `.env`, then defaults, and secrets generated once.

An empty value in the environment hides the one in `.env`, and counts as not set.
"""

import hashlib
import json
import os
import re
import secrets
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from checkout.base import services

EMBEDDED_KAFKA_API_VERSION = "2.3"
_APP_ID = "CHECKOUT_APP_ID"
_KAFKAS = ("embedded", "apache")
_REAL_STRIPE = "https://api.stripe.com"
_TEST_KEYS = ("sk_test_", "rk_test_")
_LIVE_KEYS = ("sk_live_", "rk_live_", "pk_live_")


class SettingsError(ValueError):
    """A setting cannot be used; the message says which, and what to do."""


@dataclass(frozen=True)
class Settings:
    """Everything that the stack has to know before it starts."""

    root: Path
    """The project's folder; its `.local` has all data."""
    port: int
    stripe_port: int
    environments: int
    """How many events of one function are handled at the same time."""
    given: Mapping[str, str]
    """The environment and, for names that it does not have, `.env`; without empty values."""
    secrets: Mapping[str, str]
    """Generated secrets, which are kept: STRIPE_KEY, STRIPE_SECRET and so on."""
    app_id: str
    """CHECKOUT_APP_ID if none is given: generated for this folder, and kept as long as its data. It also
    belongs to the checkout database if that is given."""

    @property
    def data(self) -> Path:
        return self.root / ".local"

    @property
    def kafka_data(self) -> Path:
        """The folder of Apache Kafka's jars and records."""
        return self.data / "kafka"

    @property
    def url(self) -> str:
        """The gateway's URL."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def is_stripe_simulated(self) -> bool:
        """True if the simulator is part of this stack: neither a Stripe key nor another API base is given."""
        return "STRIPE_SECRET" not in self.given and "STRIPE_API_BASE" not in self.given

    @property
    def stripe_url(self) -> str:
        if self.is_stripe_simulated:
            return f"http://127.0.0.1:{self.stripe_port}"
        return self.given.get("STRIPE_API_BASE", _REAL_STRIPE)

    @property
    def external_databases(self) -> tuple[str | None, str | None]:
        """The URLs of the checkout and the application database, None for one that is embedded."""
        checkout = self.given.get("CHECKOUT_DATABASE_URL")
        return checkout, self.given.get("DATABASE_URL", checkout)

    @property
    def external_brokers(self) -> str | None:
        """`host:port,host:port`, or None if this stack starts the broker (see `kafka`)."""
        return self.given.get("KAFKA_BROKERS")

    @property
    def brokers_in_containers(self) -> str | None:
        """The addresses of those brokers in containers, or None if they are the same."""
        return self.given.get("KAFKA_BROKERS_IN_CONTAINERS")

    @property
    def topic_prefix(self) -> str:
        """What is before the names of topics and consumer groups."""
        return self.given.get("KAFKA_TOPIC_PREFIX", "")

    @property
    def kafka(self) -> str:
        """The kind of broker: `external`, or `embedded` or `apache`, which the stack starts."""
        return "external" if self.external_brokers else self.given.get("KAFKA", _KAFKAS[0])

    @property
    def kafka_nodes(self) -> int:
        """The number of nodes of our Apache Kafka."""
        return _number(self.given, "NODES", 1, 5)

    def secret(self, name: str) -> str:
        """A secret, given or generated."""
        return self.given.get(name) or self.secrets[name]

    def current(self, name: str) -> str:
        """The first of the comma-separated values of a secret: all are accepted during a rotation."""
        return self.secret(name).split(",")[0].strip()

    @property
    def hidden(self) -> list[str]:
        """What no line may show: the secrets, and each part of those that are lists."""
        found = list(self.secrets.values())
        for secret in map(self.secret, self.secrets):
            found += [part.strip() for part in secret.split(",")]
        with suppress(ValueError):  # `migrate` says what is wrong.
            for service in services.services(self.given.get("SERVICES", "{}")):
                found += service.tokens
        return found

    def variables(self, checkout_url: str, application_url: str, brokers: str) -> dict[str, str]:
        """The functions' environment on this machine. Given settings win."""
        ours = {
            **self.secrets,
            "CHECKOUT_APP_ID": self.app_id,
            "PUBLIC_ORIGIN": self.url,
            "STRIPE_API_BASE": self.stripe_url if self.is_stripe_simulated else "",
            "CHECKOUT_DATABASE_URL": checkout_url,
            "DATABASE_URL": application_url,
            "DATABASE_AUTH": "",
            "KAFKA_BROKERS": brokers,
            "KAFKA_SECURITY": "PLAINTEXT",
            "KAFKA_API_VERSION": EMBEDDED_KAFKA_API_VERSION if self.kafka == "embedded" else "",
            "REEMIT_AFTER_SECONDS": "5",
            "JWT_MAX_AGE_SECONDS": str(31 * 86_400),  # The demo's token lives for a month.
        }
        return {**ours, **self.given}


def load(root: Path, environment: Mapping[str, str] = os.environ) -> Settings:
    """Read the settings of a project folder. Raises SettingsError."""
    written = parse(path.read_text("utf-8-sig", "replace")) if (path := root / ".env").exists() else {}
    given = {name: value for name, value in {**written, **environment}.items() if value.strip()}
    for name in ("STRIPE_SECRET", "STRIPE_KEY"):
        if given.get(name, "").startswith(_LIVE_KEYS):
            raise SettingsError(
                f"{name} is a live key: this stack works with Stripe's test mode only (sk_test_…)"
            )
    is_real = "STRIPE_SECRET" in given
    if is_real and not given["STRIPE_SECRET"].startswith(_TEST_KEYS):
        raise SettingsError("STRIPE_SECRET is not a test key (sk_test_…); leave it out to use the simulator")
    if (key := given.get("STRIPE_KEY")) and not (is_real and key.startswith("pk_test_")):
        raise SettingsError("STRIPE_KEY must be pk_test_…, and needs STRIPE_SECRET; else leave both out")
    if (kafka := given.get("KAFKA", _KAFKAS[0])) not in _KAFKAS and "KAFKA_BROKERS" not in given:
        raise SettingsError(
            f"KAFKA={kafka} is not known: it must be {' or '.join(_KAFKAS)}, or set KAFKA_BROKERS=host:port"
        )
    kept = _kept(root / ".local")
    return Settings(
        root=root,
        port=_number(given, "PORT", 9996, 65535),
        stripe_port=_number(given, "STRIPE_PORT", 9997, 65535),
        environments=_number(given, "FUNCTION_ENVIRONMENTS", 2, 64),
        given=given,
        secrets={name: value for name, value in kept.items() if name not in _without(given)},
        app_id=kept[_APP_ID] + _of_database(given.get("CHECKOUT_DATABASE_URL")),
    )


def _of_database(url: str | None) -> str:
    """The end of the id. With one id, the payments of another database, which the simulator keeps, would be
    imported into this one and credited."""
    if url is None:
        return ""
    try:
        parts = urlsplit(url)
        name = f"{parts.hostname}:{parts.port or 5432}{parts.path}"
    except ValueError:
        # Not as urllib says it, which may quote the password.
        raise SettingsError(
            "CHECKOUT_DATABASE_URL cannot be read: write reserved characters as %XX"
        ) from None
    return f"-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def _without(given: Mapping[str, str]) -> set[str]:
    """What is kept, and no secret of this stack: an identity provider signs the tokens instead of us."""
    return {_APP_ID, *(["JWT_SECRET"] if "JWT_JWKS_URL" in given else [])}


def parse(text: str) -> dict[str, str]:
    """The `NAME=value` lines of a `.env` file, with quotes and comments read as by a shell."""
    found = {}
    for number, line in enumerate(text.splitlines(), 1):
        if "\ufffd" not in line and (match := _LINE.fullmatch(line)):  # U+FFFD: it is not UTF-8.
            double, single, bare = match["double"], match["single"], match["bare"]
            found[match["name"]] = next(value for value in (double, single, bare) if value is not None)
        elif not re.fullmatch(r"\s*(#.*)?", line):  # It is not shown, since it may have a secret.
            raise SettingsError(f"line {number} of .env cannot be read: it must be NAME=value, in one line")
    return found


_LINE = re.compile(
    r"""\s* (?:export\s+)? (?P<name>[A-Za-z_]\w*) \s*=\s*
        (?: "(?P<double>[^"]*)" | '(?P<single>[^']*)' | (?P<bare>(?:[^\s#]|(?<=\S)\#|\s+(?=[^\s#]))*) )
        \s* (?:\#.*)?""",
    re.VERBOSE,
)


def _number(given: Mapping[str, str], name: str, default: int, highest: int) -> int:
    text = given.get(name, str(default))
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= highest:
        raise SettingsError(f"{name}={text} is not a number from 1 to {highest}")
    return int(text)


def _kept(data: Path) -> dict[str, str]:
    """The secrets and the id of this folder. They stay the same, so tokens, signatures and open sessions of
    earlier runs stay valid."""
    path = data / "secrets.json"
    kept = json.loads(path.read_text()) if path.exists() else {}
    generated = {
        # Data from before ids were generated belongs to this one.
        _APP_ID: "checkout" if kept else f"checkout-{secrets.token_hex(4)}",
        "STRIPE_KEY": f"pk_test_{secrets.token_hex(24)}",
        "STRIPE_SECRET": f"sk_test_{secrets.token_hex(24)}",
        "STRIPE_WEBHOOK_SECRET": f"whsec_{secrets.token_hex(24)}",
        "JWT_SECRET": secrets.token_hex(32),
        "CHECKOUT_SERVICE_TOKEN": secrets.token_hex(24),
    }
    if generated.keys() - kept.keys():
        kept = {**generated, **kept}
        write_privately(path, json.dumps(kept, indent=2))
    return {name: kept[name] for name in generated}


def write_privately(path: Path, text: str) -> None:
    """Replace a file in one step; only its owner may read it."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    unfinished = path.with_name(f"{path.name}.{os.getpid()}")
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text + "\n")
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(path)
