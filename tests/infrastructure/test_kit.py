"""The tests share what is in tests/support, and nothing else."""

import re
from pathlib import Path

import pytest

from tests.infrastructure.imports import ROOT, imports, short

MODULES = sorted((ROOT / "tests").glob("**/*.py"))


@pytest.mark.parametrize("path", MODULES, ids=short)
def test_no_test_module_is_imported(path: Path) -> None:
    modules = [part for module in imports(path) for part in module.split(".")]
    assert [part for part in modules if part.startswith("test_")] == []


def test_a_setting_is_set_in_one_way() -> None:
    kit = ROOT / "tests" / "support" / "settings.py"
    others = [path for path in MODULES if path != kit and re.search(r"\.(set|del)env\(", path.read_text())]
    assert others == []
