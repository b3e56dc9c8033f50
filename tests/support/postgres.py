"""The tests' PostgreSQL: the embedded one, or another version with POSTGRES=15.

`python -m tests.support.postgres` lists the other installed versions from 15 on.
"""

import os
import re
import subprocess
from pathlib import Path

from local.stack.postgres import Postgres, embedded_programs

OLDEST = 15


def new_postgres(data: Path) -> Postgres:
    """A server that is not started, and does not sync its data to disk."""
    version = os.environ.get("POSTGRES")
    return Postgres(data, fsync=False, programs=others()[int(version)] if version else None)


def others() -> dict[int, Path]:
    """Major version → its programs, from Debian's packages and from the wheel."""
    embedded = embedded_programs()
    folders = [*embedded.parents[1].glob("pginstall*/bin"), *Path("/usr/lib/postgresql").glob("*/bin")]
    found = {_major(folder): folder for folder in folders if (folder / "initdb").exists()}
    return {
        version: found[version] for version in sorted(found.keys() - {_major(embedded)}) if version >= OLDEST
    }


def _major(programs: Path) -> int:
    said = subprocess.run([programs / "postgres", "--version"], capture_output=True, text=True, check=True)
    version = re.search(r"\d+", said.stdout)
    assert version is not None, said.stdout
    return int(version[0])


if __name__ == "__main__":
    print(*others())
