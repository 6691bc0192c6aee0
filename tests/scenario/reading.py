"""How scenario files are cut into scenarios, and these into steps."""

from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Scenario:
    """One behaviour with its steps: (kind of step, its lines)."""

    title: str
    source: str
    steps: list[tuple[str, list[str]]] = field(default_factory=list)


def read_scenarios(path: Path, steps: tuple[str, ...]) -> list[Scenario]:
    """All scenarios of one file; a line that is one of ``steps`` begins a step."""
    scenarios: list[Scenario] = []
    for number_of_line, line in enumerate(path.read_text().splitlines(), start=1):
        text = " ".join(line.split())
        if text.startswith("=="):
            scenarios.append(Scenario(text[2:].strip(), f"{path.name}:{number_of_line}"))
        elif text in steps:
            scenarios[-1].steps.append((text, []))
        elif text and not text.startswith("#"):
            scenarios[-1].steps[-1][1].append(text)
    return scenarios
