"""Whatever comes from outside, a person's terminal only shows it."""

import io
import json
import os
import re
import subprocess
import sys
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from checkout.base import terminal
from checkout.base.text import printable, word
from checkout.operations import text as operations
from local.lambda_runtime import runtime
from stripe_simulator import console as simulator
from tests.infrastructure.transformed import ROOT

ANY_TEXT = st.text(st.characters())  # Surrogates included.
SHOWN_ALONE = {
    "\x00": "\\u0000",
    "\x1b[2J": "\\u001b[2J",
    "\x9b2J": "\\u009b2J",
    "\x7f": "\\u007f",
    "a\nb": "a\\nb",
    "a\rb": "a\\rb",
    "a\u2028b\u2029c\x85d": "a\\u2028b\\u2029c\\u0085d",
    "\u202etxt.exe\u2066": "\\u202etxt.exe\\u2066",
    "a\u200bb\u200db\ufeff\u2060": "a\\u200bb\\u200db\\ufeff\\u2060",
    "\ud800": "\\ud800",
    "\udfff\ud800": "\\udfff\\ud800",
    "\U000e0041": "\\udb40\\udc41",
    "a\u00a0b": "a\\u00a0b",
    "5 € für Zoë 🙂": "5 € für Zoë 🙂",
}


@pytest.mark.parametrize(("given", "shown"), SHOWN_ALONE.items(), ids=ascii)
def test_what_has_no_glyph_is_escaped_and_all_else_is_kept(given: str, shown: str) -> None:
    assert printable(given) == shown


@given(ANY_TEXT)
@example("\x1b]0;title\x07")
@example("\ud800\udc00")
def test_any_text_becomes_one_line_that_acts_on_nothing(text: str) -> None:
    shown = printable(text)
    categories = {unicodedata.category(one) for one in shown if one != " "}
    assert not {category for category in categories if category[0] in "CZ"}
    assert len(shown.splitlines()) <= 1
    shown.encode()
    assert printable(shown) == shown


@given(ANY_TEXT)
def test_a_word_is_one_word_and_says_exactly_what_it_was(text: str) -> None:
    shown = word(text)
    if shown.startswith('"'):
        assert json.loads(shown) == text
        assert re.fullmatch(r'"(?:[^"\\]|\\.)*"', shown)
    else:
        assert shown == text
        assert re.fullmatch(r"[!-~]+", shown)


@given(st.dictionaries(ANY_TEXT, ANY_TEXT | st.lists(ANY_TEXT)))
def test_json_of_one_line_means_the_same_when_it_is_printable(content: dict[str, object]) -> None:
    line = printable(json.dumps(content, ensure_ascii=False))
    assert line.isprintable()
    assert json.loads(line) == content


@given(st.dictionaries(ANY_TEXT, ANY_TEXT | st.dictionaries(ANY_TEXT, ANY_TEXT)))
def test_json_for_programs_is_ascii_and_means_the_same(content: dict[str, object]) -> None:
    written = operations.as_json(content)
    assert written.isascii()
    assert all(line.isprintable() for line in written.split("\n"))
    assert json.loads(written) == content


@given(ANY_TEXT, ANY_TEXT)
def test_a_row_for_people_stays_a_row_whatever_is_in_it(name: str, value: str) -> None:
    written = operations.for_people({"parked": [{name: value, "reason": value}], "user": {name: value}})
    lines = written.split("\n")
    assert len(lines) == 3
    assert all(line.isprintable() for line in lines)


@given(ANY_TEXT)
def test_programs_that_import_nothing_of_ours_do_the_same(text: str) -> None:
    assert simulator.printable(text) == printable(text)
    assert runtime.one_line(text) == printable(text)


@given(st.text(st.characters(codec="utf-8")), st.sampled_from(["ascii", "latin-1", "utf-8"]))
def test_no_encoding_makes_it_fail(text: str, encoding: str) -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding=encoding, newline="\n")
    terminal.write(text, stream)
    assert len(raw.getvalue().split(b"\n")) == len(text.split("\n")) + 1


@pytest.mark.parametrize("encoding", ["ascii", "utf-8"])
def test_a_process_with_another_encoding_says_it_too(encoding: str) -> None:
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "from checkout.base import terminal; terminal.say('5 €: \\ud800\\x1b[2J')",
        ],
        env={**os.environ, "PYTHONIOENCODING": encoding, "PYTHONPATH": str(ROOT / "layers" / "common")},
        capture_output=True,
        check=True,
    )
    euro = {"ascii": b"\\u20ac", "utf-8": "€".encode()}[encoding]
    assert done.stdout == b"5 " + euro + b": \\ud800\\u001b[2J\n"


def test_a_question_is_one_line_and_no_terminal_means_no(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("builtins.input", lambda: " Yes ")
    assert terminal.confirmed("Discard a\nb\x1b")
    assert capsys.readouterr().err == "Discard a\\nb\\u001b? [y/N] "
    monkeypatch.setattr("sys.stdin.isatty", lambda: False, raising=False)
    assert not terminal.confirmed("Discard it")


def test_nothing_else_writes_to_a_terminal() -> None:
    """With ruff, which refuses `print`, this leaves one writer for people."""
    writers = {
        str(path.relative_to(ROOT))
        for folder in ("layers/common/checkout", "local", "stripe_simulator", "deployment", "functions")
        for path in (ROOT / folder).rglob("*.py")
        if re.search(r"\bprint\(|std(out|err)\.write|print_exc", path.read_text())
    }
    own_processes = {"local/lambda_runtime/runtime.py"}
    assert writers == own_processes
