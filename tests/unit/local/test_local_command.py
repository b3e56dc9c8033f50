"""`python -m local` where no stack runs."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from local import __main__ as command
from tests.support.settings import put

ROOT = Path(__file__).parents[3]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("template.yaml", "functions", "layers"):
        (tmp_path / name).symlink_to(ROOT / name)
    monkeypatch.setattr(command, "ROOT", tmp_path)
    put(monkeypatch, CHECKOUT_DATABASE_URL="")
    return tmp_path


@pytest.mark.parametrize(
    "words",
    [
        ["invoke", "account", "-e", str(ROOT / "events" / "account" / "balance.json")],
        ["operations", "verify"],
        ["trouble", "broker-away"],
    ],
)
def test_it_says_how_to_start_one(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(words) == 1

    assert capsys.readouterr().err == "error: no stack runs in this folder: start one with make run\n"


@pytest.mark.parametrize("words", [["--help"], ["adjust", "--help"]])
def test_operations_help_names_what_was_typed(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        command.main(["operations", *words])

    assert ended.value.code == 0
    assert capsys.readouterr().out.startswith(
        " ".join(["usage: python -m local operations", *words[:-1], "["])
    )


@pytest.mark.parametrize("words", [[], ["nonsense"], ["--operator", "ada"]])
def test_without_a_verb_the_help_that_is_named_can_be_typed(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert command.main(["operations", *words]) == 2

    assert capsys.readouterr().err.endswith("See python -m local operations --help.\n")


def test_operations_go_on_to_work_with_databases_that_are_named(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    put(monkeypatch, CHECKOUT_DATABASE_URL="postgresql://nobody@127.0.0.1:1/checkout", CHECKOUT_APP_ID="mine")

    assert command.main(["operations", "verify"]) == 3
    assert "no stack runs" not in capfd.readouterr().err


def test_ctrl_c_during_the_imports_ends_without_a_traceback(tmp_path: Path) -> None:
    """They take seconds on a busy machine."""
    (tmp_path / "sitecustomize.py").write_text(
        "import os, signal, sys\n"
        "class Finder:\n"
        "    def find_spec(self, name, *_):\n"
        "        if name == 'local.demo':\n"
        "            os.kill(os.getpid(), signal.SIGINT)\n"
        "sys.meta_path.insert(0, Finder())\n"
    )

    ended = subprocess.run(
        [sys.executable, "-m", "local", "doctor"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert (ended.returncode, ended.stdout, ended.stderr) == (-signal.SIGINT, "", "")
