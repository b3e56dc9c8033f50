"""JavaScript modules as inline scripts of one page, and how its Content-Security-Policy allows them. Pure."""

import hashlib
import re
from base64 import b64encode
from collections.abc import Callable, Mapping
from graphlib import TopologicalSorter

IMPORT = re.compile(r'^import (?:\* as (\w+)|\{([^}]*)\}) from "\./(\w+\.js)";$', re.MULTILINE)
EXPORT = re.compile(r"^export (?=(?:async function|function|class|const) (\w+))", re.MULTILINE)
# Any other way to import or export, and what would end the element.
NOT_INLINE = re.compile(r"\b(?:import|export)\b|</script|<!--", re.IGNORECASE)


def inline_module(name: str, source: str, url: str) -> str:
    """The text of an inline module that imports and exports through the global object `modules`.

    Each line keeps its number, and `url` names the source in stack traces and developer tools.
    Raises ValueError for a form of import or export that it does not know.
    """

    def from_registry(found: re.Match[str]) -> str:
        namespace, names, module = found.groups()
        target = namespace or "{" + names.replace(" as ", ": ") + "}"
        return f'const {target} = modules["{module}"];'

    exported = ", ".join(EXPORT.findall(source))
    body = EXPORT.sub("", IMPORT.sub(from_registry, source))
    if refused := NOT_INLINE.search(body):
        raise ValueError(f"{name} cannot be written into the page: {refused[0]}")
    return f'{body}(globalThis.modules ??= {{}})["{name}"] = {{ {exported} }};\n//# sourceURL={url}\n'


def inline_modules(sources: Mapping[str, str], url_of: Callable[[str], str]) -> list[str]:
    """The modules as `inline_module` writes them, each after those that it imports.

    Raises graphlib.CycleError if there is no such order.
    """
    imports = {name: [found[2] for found in IMPORT.findall(source)] for name, source in sources.items()}
    return [
        inline_module(name, sources[name], url_of(name)) for name in TopologicalSorter(imports).static_order()
    ]


def hashes(*texts: str) -> str:
    """Source expressions of a Content-Security-Policy that allow these inline texts and no other."""
    return " ".join(
        f"'sha256-{b64encode(hashlib.sha256(text.encode()).digest()).decode()}'" for text in texts
    )
