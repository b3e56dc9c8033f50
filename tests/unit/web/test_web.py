"""The Balance page's function: what it sends, when it answers "not modified", and what it does not find."""

import json
import os
import re
import subprocess
import sys
from base64 import b64encode
from collections.abc import Iterator
from graphlib import CycleError
from hashlib import sha256
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from checkout.api.inline_scripts import inline_module, inline_modules
from functions.web import app
from tests.contracts import conformance
from tests.support.settings import put

STATIC = Path(app.__file__).parent / "static"
ASSET_NAMES = sorted(path.name for path in STATIC.iterdir() if path.name != "balance.html")


DEFAULTS: dict[str, Any] = {
    "currency": "eur",
    "unit": None,
    "min_amount_cents": 50,
    "max_amount_cents": 1_000_000,
    "amount_step": 1,
    "presets": [500, 1000, 2000, 5000],
    "prices": [],
    "prices_only": False,
    "credit_per_cent": [1, 1],
    "tax_behavior": None,
}


class Elements(HTMLParser):
    """The addresses that a page names, and the texts of its styles and scripts by type."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.inline: dict[str, list[str]] = {}
        self._open: list[str] | None = None
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        self.addresses += [str(attributes[name]) for name in ("src", "href") if name in attributes]
        if tag in ("style", "script"):
            self._open = self.inline.setdefault(attributes.get("type") or tag, [])

    def handle_data(self, data: str) -> None:
        if self._open is not None:
            self._open.append(data)

    def handle_endtag(self, _tag: str) -> None:
        self._open = None


def source_hash(text: str) -> str:
    """What allows an inline text in a Content-Security-Policy."""
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"


def get(asset: str | None = None, **headers: str) -> dict[str, Any]:
    """The answer to `GET /balance` or `GET /balance/{asset}`, as API Gateway would ask for it."""
    event: dict[str, Any] = {
        "version": "2.0",
        "routeKey": "GET /balance" if asset is None else "GET /balance/{asset}",
        "rawPath": "/balance" if asset is None else f"/balance/{asset}",
        "headers": {name.replace("_", "-"): value for name, value in headers.items()},
        "requestContext": {"http": {"method": "GET"}},
        "isBase64Encoded": False,
    }
    if asset is not None:
        event["pathParameters"] = {"asset": asset}
    answer = app.handler(event, None)
    conformance.check_answer(event["routeKey"], answer)
    return answer


@pytest.fixture(autouse=True)
def fresh_configuration(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    names = ("PRICES", "PRICES_ONLY", "CREDIT_PER_CENT", "PRICE_TAX_BEHAVIOR", "BALANCE_UNIT")
    for name in ("BALANCE_CURRENCY", "MIN_AMOUNT_CENTS", "MAX_AMOUNT_CENTS", *names):
        put(monkeypatch, **{name: None})
    app.config_asset.cache_clear()
    yield
    app.config_asset.cache_clear()


def test_page() -> None:
    response = get()
    assert response["statusCode"] == 200
    assert response["headers"]["content-type"] == "text/html; charset=utf-8"
    assert response["headers"]["cache-control"] == "public, max-age=600, must-revalidate"
    assert response["headers"]["no-vary-search"] == 'params=("status" "session_id")'


def test_the_page_needs_no_other_file() -> None:
    assert {urlsplit(address).scheme for address in Elements(get()["body"]).addresses} == {"data"}


def test_the_markup_of_the_page_is_sent_as_it_is_written() -> None:
    written = (STATIC / "balance.html").read_text("utf-8").replace("/balance/coin.svg", app.ICON)
    assert get()["body"].partition("<body>")[2] == written.partition("<body>")[2]


def test_an_event_without_headers_is_answered() -> None:
    assert app.handler({"pathParameters": None, "headers": None}, None)["statusCode"] == 200


@pytest.mark.parametrize("name", ASSET_NAMES)
def test_every_file_is_served_with_its_type(name: str) -> None:
    response = get(name)
    assert response["statusCode"] == 200
    assert response["body"] == (STATIC / name).read_text("utf-8")
    assert response["headers"]["cache-control"] == "no-cache"
    expected = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8"}
    assert response["headers"]["content-type"] == expected.get(Path(name).suffix, "image/svg+xml")


@pytest.mark.parametrize("name", ASSET_NAMES)
def test_a_name_that_has_the_version_is_kept_for_ever(name: str) -> None:
    path = Path(name)
    shape = re.compile(rf"{path.stem}-[0-9a-f]{{32}}{re.escape(path.suffix)}")
    (versioned,) = filter(shape.fullmatch, app.ASSETS)
    response, as_written = get(versioned), get(name)
    assert response["headers"].pop("cache-control") == "public, max-age=31536000, immutable"
    del as_written["headers"]["cache-control"]
    assert response == as_written
    assert get(f"{versioned[:-4]}0{versioned[-4:]}")["statusCode"] == 404


@pytest.mark.parametrize("name", ASSET_NAMES)
def test_every_file_is_used(name: str) -> None:
    if name.endswith(".js"):
        assert re.search(
            rf"^//# sourceURL=/balance/{name[:-3]}-[0-9a-f]{{32}}\.js$", get()["body"], re.MULTILINE
        )
    else:
        assert f'"/balance/{name}"' in (STATIC / "balance.html").read_text("utf-8")


@pytest.mark.parametrize("name", [name for name in ASSET_NAMES if name.endswith(".js")])
def test_a_module_in_the_page_is_its_source_line_for_line(name: str) -> None:
    (script,) = [script for script in app.SCRIPTS if f"/balance/{name[:-3]}-" in script]
    source, inline = (STATIC / name).read_text("utf-8").splitlines(), script.splitlines()
    assert len(inline) == len(source) + 2
    assert [
        written
        for written, sent in zip(source, inline, strict=False)
        if sent != written and not written.startswith(("import ", "export "))
    ] == []


def test_modules_pass_on_what_they_export() -> None:
    first, second = inline_modules(
        {
            "account.js": (
                'import {\n  a, b as c,\n} from "./words.js";\nimport * as words from "./words.js";\n'
                "export async function d() {}\nexport class E {}\n"
            ),
            "words.js": "export const a = 1;\nexport function b() {}\nconst mine = 2;\n",
        },
        str,
    )
    assert first.splitlines()[:-1] == [
        "const a = 1;",
        "function b() {}",
        "const mine = 2;",
        '(globalThis.modules ??= {})["words.js"] = { a, b };',
    ]
    assert second.splitlines()[:-1] == [
        "const {",
        "  a, b: c,",
        '} = modules["words.js"];',
        'const words = modules["words.js"];',
        "async function d() {}",
        "class E {}",
        '(globalThis.modules ??= {})["account.js"] = { d, E };',
    ]


@pytest.mark.parametrize(
    "source",
    [
        'import "./words.js";',
        'import words from "./words.js";',
        'import { a } from "https://example.com/words.js";',
        'const words = await import("./words.js");',
        "const here = import.meta.url;",
        "export default 1;",
        "export let a = 1;",
        "export { a };",
        'const a = "</script>";',
        'const a = "<!--";',
    ],
)
def test_a_module_that_cannot_be_written_into_the_page_is_refused(source: str) -> None:
    with pytest.raises(ValueError, match=r"^words\.js cannot be written into the page: "):
        inline_module("words.js", source, "/balance/words.js")


def test_modules_that_need_each_other_have_no_order() -> None:
    with pytest.raises(CycleError):
        inline_modules(
            {"page.js": 'import { a } from "./form.js";', "form.js": 'import { b } from "./page.js";'}, str
        )


@pytest.mark.parametrize(
    "name",
    [
        "",
        "nothing.js",
        "balance.html",
        "app.py",
        "../app.py",
        "..%2fapp.py",
        "/etc/passwd",
        "page.js\0",
        "PAGE.JS",
    ],
)
def test_what_is_not_a_file_of_the_page_is_not_found(name: str) -> None:
    response = get(name)
    assert response["statusCode"] == 404
    assert response["headers"]["content-type"] == "application/problem+json"
    assert response["headers"]["cache-control"] == "no-store"
    problem = json.loads(response["body"])
    assert problem.keys() == {"type", "title", "status", "code", "detail"}
    assert (problem["title"], problem["status"], problem["code"]) == ("Not found", 404, "not_found")


@pytest.mark.parametrize("asset", [None, "page.js", "config.json", "nothing.js"])
def test_every_answer_is_locked_down(asset: str | None) -> None:
    headers = get(asset)["headers"]
    policy = dict(rule.split(" ", 1) for rule in headers["content-security-policy"].split("; "))
    assert policy == {
        "default-src": "'none'",
        "script-src": " ".join(map(source_hash, app.SCRIPTS)),
        "style-src": source_hash(app.STYLE),
        "connect-src": "'self'",
        "img-src": "data:",
        "base-uri": "'none'",
        "form-action": "'self'",
        "frame-ancestors": "'none'",
    }
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["x-frame-options"] == "DENY"


def test_the_page_has_no_script_or_style_but_those_of_the_policy() -> None:
    body = get()["body"]
    elements = Elements(body)
    assert elements.inline == {
        "style": [app.STYLE],
        "module": app.SCRIPTS,
        "application/json": [json.dumps(DEFAULTS)],
    }
    markup = body.partition("<body>")[2]
    assert re.findall(r"<script|<style|\sstyle=|\son[a-z]+=", markup) == []


@pytest.mark.parametrize("asset", [None, "page.js", "config.json"])
@pytest.mark.parametrize("form", ["{}", "W/{}", '"other", {}', "*"])
def test_a_known_version_is_not_sent_again(asset: str | None, form: str) -> None:
    sent = get(asset)
    response = get(asset, if_none_match=form.format(sent["headers"]["etag"]))
    assert response["statusCode"] == 304
    assert response["headers"] == sent["headers"]
    assert "body" not in response


@pytest.mark.parametrize("tag", ['"other"', "", "nonsense"])
def test_another_version_is_sent(tag: str) -> None:
    assert get("page.js", if_none_match=tag)["statusCode"] == 200


def test_versions_differ() -> None:
    tags = [get(name)["headers"]["etag"] for name in [None, *ASSET_NAMES]]
    assert len(set(tags)) == len(tags)


def test_default_configuration() -> None:
    response = get("config.json")
    assert response["headers"]["content-type"] == "application/json"
    assert json.loads(response["body"]) == DEFAULTS


def test_configuration_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    put(monkeypatch, BALANCE_CURRENCY="JPY", MIN_AMOUNT_CENTS="600", MAX_AMOUNT_CENTS="2000")
    assert json.loads(get("config.json")["body"]) == DEFAULTS | {
        "currency": "jpy",
        "min_amount_cents": 600,
        "max_amount_cents": 2000,
        "presets": [1000, 2000],
    }


def test_prices_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    listed: list[dict[str, Any]] = [
        {"amount_cents": 1000, "credit_cents": 1100, "label": "+10 %"},
        {"amount_cents": 900_000, "credit_cents": 2**63 - 1},
    ]
    put(
        monkeypatch,
        PRICES=json.dumps(listed),
        PRICES_ONLY="true",
        CREDIT_PER_CENT="1/10",
        PRICE_TAX_BEHAVIOR="exclusive",
        BALANCE_UNIT="credits",
    )
    assert json.loads(get("config.json")["body"]) == DEFAULTS | {
        "unit": "credits",
        "presets": [1000, 900_000],
        "prices": [listed[0], {**listed[1], "label": None}],
        "prices_only": True,
        "credit_per_cent": [1, 10],
        "tax_behavior": "exclusive",
    }


@pytest.mark.parametrize(
    ("rate", "least", "presets"),
    [
        ("1/50", 50, [500, 1000, 2000, 5000]),
        ("1/51", 51, [500, 1000, 2000, 5000]),
        ("1/1001", 1001, [2000, 5000]),
    ],
)
def test_what_credits_nothing_cannot_be_asked_for(
    monkeypatch: pytest.MonkeyPatch, rate: str, least: int, presets: list[int]
) -> None:
    put(monkeypatch, CREDIT_PER_CENT=rate)
    content = json.loads(get("config.json")["body"])
    assert (content["min_amount_cents"], content["presets"]) == (least, presets)


def test_no_text_of_a_setting_ends_the_element_that_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "</script><b>"
    put(monkeypatch, BALANCE_UNIT=text)
    assert json.loads(get("config.json")["body"])["unit"] == text
    assert "<" not in get("config.json")["body"]
    assert Elements(get()["body"]).inline["application/json"] == [get("config.json")["body"]]


@pytest.mark.parametrize(
    ("settings", "limits", "presets"),
    [
        ({"BALANCE_CURRENCY": "kwd"}, (50, 1_000_000, 10), [500, 1000, 2000, 5000]),
        (
            {"BALANCE_CURRENCY": "isk", "MIN_AMOUNT_CENTS": "150"},
            (200, 1_000_000, 100),
            [500, 1000, 2000, 5000],
        ),
        ({"BALANCE_CURRENCY": "ugx", "MAX_AMOUNT_CENTS": "1099"}, (100, 1000, 100), [500, 1000]),
        ({"BALANCE_CURRENCY": "huf"}, (17_500, 1_000_000, 1), [17_500, 35_000, 70_000, 175_000]),
    ],
)
def test_limits_and_presets_are_amounts_that_the_currency_has(
    monkeypatch: pytest.MonkeyPatch,
    settings: dict[str, str],
    limits: tuple[int, int, int],
    presets: list[int],
) -> None:
    put(monkeypatch, **settings)
    content = json.loads(get("config.json")["body"])
    names = ("min_amount_cents", "max_amount_cents", "amount_step")
    assert tuple(content[name] for name in names) == limits
    assert content["presets"] == presets


def test_the_environment_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    before = get("config.json")
    put(monkeypatch, MIN_AMOUNT_CENTS="600")
    assert get("config.json") == before


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        *(("MIN_AMOUNT_CENTS", "few"), ("MIN_AMOUNT_CENTS", "0"), ("MAX_AMOUNT_CENTS", "0.5")),
        *(("PRICES", "[]"), ("BALANCE_UNIT", "x" * 21), ("BALANCE_UNIT", "a\u200bb")),
    ],
)
def test_a_wrong_setting_is_named_until_it_is_corrected(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    put(monkeypatch, **{variable: value})
    response = get("config.json")
    assert response["statusCode"] == json.loads(response["body"])["status"] == 503
    assert response["headers"]["content-type"] == "application/problem+json"
    assert variable in json.loads(response["body"])["detail"]
    put(monkeypatch, **{variable: None})
    assert get("config.json")["statusCode"] == 200


def test_the_page_has_the_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    put(monkeypatch, BALANCE_CURRENCY="jpy")
    assert Elements(get()["body"]).inline["application/json"] == [get("config.json")["body"]]


def test_a_wrong_setting_does_not_stop_the_page(monkeypatch: pytest.MonkeyPatch) -> None:
    put(monkeypatch, MIN_AMOUNT_CENTS="few")
    assert get()["statusCode"] == get("page.js")["statusCode"] == 200
    assert "application/json" not in Elements(get()["body"]).inline
    assert get()["headers"]["cache-control"] == "no-cache", "not kept longer than the wrong setting"


def test_nothing_heavy_is_imported() -> None:
    script = "import sys, app; print(*sys.modules)"
    result = subprocess.run(
        [sys.executable, "-c", script],
        cwd=STATIC.parent,
        env={"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = {name.partition(".")[0] for name in result.stdout.split()}
    assert not loaded & {"stripe", "psycopg2", "kafka", "boto3", "aws_lambda_powertools", "jwt"}
