"""One case for each pattern, as a file: what is started, what the model says, and what it comes to.

The same cases run against a scripted model, over HTTP, from the shell and with a killed worker, and are recorded for
the replay gate.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import yaml

__all__ = ["CASES", "Case"]

FOLDER = Path(__file__).with_name("cases")


@dataclass(frozen=True)
class Case:
    """A run of a pattern. `script` is the content of a script file, `expect` are fields of the result."""

    name: str
    workflow: str
    input: dict[str, Any]
    script: dict[str, Any]
    expect: dict[str, Any]

    def script_file(self, folder: Path) -> Path:
        """Write the script into the folder."""
        path = folder / f"{self.name}.yaml"
        path.write_text(yaml.safe_dump(self.script), encoding="utf-8")
        return path

    def seen(self, result: dict[str, Any]) -> dict[str, Any]:
        """Those fields of the result that are expected, and the error when there is one."""
        found = {name: result.get(name) for name in self.expect}
        if "warnings" in found:  # that a model has no price depends on the model, not on the pattern
            found["warnings"] = [each for each in result["warnings"] if not each.startswith("no price is known")]
        return found if "error" in self.expect or not result["error"] else {**found, "error": result["error"]}


def _load(path: Path) -> Case:
    return Case(name=path.stem, **cast("dict[str, Any]", yaml.safe_load(path.read_text(encoding="utf-8"))))


CASES = [_load(path) for path in sorted(FOLDER.glob("*.yaml"))]
