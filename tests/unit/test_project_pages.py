"""The pages of the project itself: the version, the changelog, what other pages link to, and their width."""

import re
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
PAGES = ["README.md", "CHANGELOG.md", "SECURITY.md", "CONTRIBUTING.md", "docs/threats.md"]
ALL_PAGES = sorted({*PAGES, *(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md"))})
WIDTH = 125
ONE_LINK = re.compile(r"\W*\[[^]]*\]\([^)]*\)\W*")
LOCKS = re.compile(r"(^|/)((requirements[\w-]*|checkov|ministack|audit)\.txt|asyncapi-[\d.]+\.schema\.json)$")
"""Of packages, and the schema of AsyncAPI: they have versions of their own."""


def test_the_changelog_begins_with_the_version() -> None:
    releases = re.findall(r"^## \[(.+?)\] - (.+)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert releases[0][0] == VERSION
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\d", day) for _, day in releases[1:])


def test_nothing_else_repeats_the_version() -> None:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
        text=True,
    ).stdout.splitlines()
    kept = [name for name in listed if not LOCKS.search(name) and (ROOT / name).is_file()]
    word = re.compile(rf"(?<![\d.]){re.escape(VERSION)}(?![\d.]*\d)".encode())
    found = {name for name in kept if word.search((ROOT / name).read_bytes())}
    assert found == {"pyproject.toml", "CHANGELOG.md"}


@pytest.mark.parametrize("page", PAGES)
def test_what_a_page_links_to_is_there(page: str) -> None:
    folder = (ROOT / page).parent
    links = re.findall(r"\]\((?!https?:)([^)#]+)", (ROOT / page).read_text())
    assert [link for link in links if not (folder / link).exists()] == []


@pytest.mark.parametrize("page", ALL_PAGES)
def test_prose_is_not_wider_than_a_screen(page: str) -> None:
    outside_of_fences = "".join((ROOT / page).read_text().split("```")[::2])
    too_long = [line for line in outside_of_fences.splitlines() if len(line) > WIDTH]
    # Tables, headings and indented code cannot be wrapped, nor can a link.
    whole = ("|", "#", " " * 4)
    assert [one for one in too_long if not one.startswith(whole) and not ONE_LINK.fullmatch(one)] == []


def test_each_threat_has_its_test() -> None:
    section = (ROOT / "docs" / "threats.md").read_text().partition("## Threats")[2].partition("\n## ")[0]
    rows = [line.strip("| ").split(" | ") for line in section.splitlines() if line.startswith("| ")][1:]
    assert len(rows) > 20
    assert [row[0] for row in rows if len(row) != 3 or "](../tests/" not in row[2]] == []
