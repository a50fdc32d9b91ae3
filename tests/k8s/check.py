"""Cross-checks of the rendered manifests: check.py RENDERED BINARIES [--self-test].

RENDERED is a folder with dev.yaml, production.yaml, production-migrate.yaml and ingress.yaml; BINARIES one with the programs,
whose help says which settings there are. With --self-test each planted mistake must be complained about.
"""

import ast
import re
import subprocess
import sys
from pathlib import Path

import checks
import mistakes
from objects import Installation

COMMANDS = ("directory-service serve", "directory-service migrate up", "gateway serve")
INSTALLATIONS = {
    "dev": ("dev.yaml",),
    "production": ("production.yaml", "production-migrate.yaml"),
    "ingress": ("ingress.yaml",),
}


def settings_of(binaries):
    """The environment variables that each command's help names."""
    found = {}
    for command in COMMANDS:
        program, *arguments = command.split()
        shown = subprocess.run(
            [binaries / program, *arguments, "--help"], capture_output=True, text=True, check=True, timeout=30
        ).stdout
        found[command] = set(re.findall(r"\[env: ([A-Z0-9_]+)", shown))
        if len(found[command]) < 3:
            sys.exit(f"check.py: the help of {command} names hardly any settings: {shown}")
    return found


def problems(check, installation, settings):
    return [f"{installation.name}: {check.__name__}: {problem}" for problem in check(installation, settings)]


def complaints():
    """The lines of checks.py that can complain."""
    tree = ast.parse(Path(checks.__file__).read_text(encoding="utf-8"))
    return {node.lineno for node in ast.walk(tree) if isinstance(node, ast.Yield)}


def recorder(lines):
    """A trace function that notes which lines of checks.py run."""

    def trace(frame, event, _):
        if frame.f_code.co_filename != checks.__file__:
            return None
        if event == "line":
            lines.add(frame.f_lineno)
        return trace

    return trace


def self_test(installations, settings):
    """Each mistake, alone in otherwise good manifests, is found by the check that it is planted for.

    And the mistakes together make every complaint, so that there is none that cannot come.
    """
    failures, reached = [], set()
    sys.settrace(recorder(reached))
    for name, check, text, plant in mistakes.ALL:
        spoiled = installations[name].copy()
        plant(spoiled)
        if spoiled.objects == installations[name].objects:
            failures.append(f"the mistake '{text}' changes nothing")
        try:
            found = problems(check, spoiled, settings)
        except (KeyError, StopIteration, AttributeError, TypeError) as error:
            failures.append(f"{check.__name__} breaks over '{text}': {error!r}")
            continue
        if not found:
            failures.append(f"{check.__name__} does not see: {text}")
    sys.settrace(None)
    failures += [
        f"no mistake leads to the complaint in line {line} of checks.py" for line in sorted(complaints() - reached)
    ]
    return failures


def main():
    rendered, binaries = Path(sys.argv[1]), Path(sys.argv[2])
    settings = settings_of(binaries)
    installations = {
        name: Installation.load(name, [rendered / file for file in files]) for name, files in INSTALLATIONS.items()
    }
    found = [
        problem
        for check in checks.ALL
        for each in installations.values()
        for problem in problems(check, each, settings)
    ]
    for problem in found:
        print(problem)
    if found:
        sys.exit(1)
    print(f"{len(checks.ALL)} checks of {len(installations)} installations: all agree")
    if sys.argv[3:] == ["--self-test"]:
        failures = self_test(installations, settings)
        for failure in failures:
            print(f"self-test: {failure}")
        if failures:
            sys.exit(1)
        print(f"self-test: all {len(mistakes.ALL)} planted mistakes were found")


main()
