"""What Python files import, read from their source."""

import ast
from collections.abc import Iterator, Sequence
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

ROOT = Path(__file__).parents[2]


def imports(path: Path) -> Iterator[str]:
    """The names of all modules that a file imports anywhere, and of what it imports from packages."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def within(module: str, package: str) -> bool:
    """Return True if the module is the package or inside it."""
    return module == package or module.startswith(f"{package}.")


def short(path: Path) -> str:
    """The path in the project."""
    return str(path.relative_to(ROOT))


def circles(paths: Sequence[Path]) -> list[str]:
    """The modules of an import circle among these files, or nothing."""
    named = {".".join(path.relative_to(ROOT).with_suffix("").parts): path for path in paths}
    graph = {
        name: {found for one in imports(path) for found in (one, one.rpartition(".")[0]) if found in named}
        for name, path in named.items()
    }
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []
