"""Prints the licences of everything that goes into the two programs: a list, then each text once.

Usage: licenses.py < METADATA, where METADATA is what `cargo metadata --format-version 1 --filter-platform TARGET` prints.
"""

import json
import sys
from pathlib import Path

PROGRAMS = ("directory-service", "gateway")
PREFIXES = ("LICENSE", "LICENCE", "COPYING", "NOTICE", "COPYRIGHT", "UNLICENSE")


def linked(metadata):
    """What the programs depend on, without tests and build scripts and without ours; sorted, so the output is stable."""
    nodes = {node["id"]: node for node in metadata["resolve"]["nodes"]}
    packages = {package["id"]: package for package in metadata["packages"]}
    ours = set(metadata["workspace_members"])
    waiting = [package for package in ours if packages[package]["name"] in PROGRAMS]
    seen = set(waiting)
    while waiting:
        for dependency in nodes[waiting.pop()]["deps"]:
            at_run_time = any(kind["kind"] is None for kind in dependency["dep_kinds"])
            if at_run_time and dependency["pkg"] not in seen:
                seen.add(dependency["pkg"])
                waiting.append(dependency["pkg"])
    return sorted((packages[id] for id in seen - ours), key=lambda package: (package["name"], package["version"]))


def texts(package):
    folder = Path(package["manifest_path"]).parent
    for file in sorted(folder.iterdir()):
        if file.is_file() and file.name.upper().startswith(PREFIXES):
            yield file.read_text(encoding="utf-8", errors="replace").replace("\r\n", "\n").strip()


def main():
    packages = linked(json.load(sys.stdin))
    holders = {}
    print("What goes into directory-service and gateway beside Rollcall itself, some of it at build time only.\n")
    print(
        "GNU C Library  LGPL-2.1-or-later  (linked statically; its sources are those of the distribution it was built on)"
    )
    for package in packages:
        name = f"{package['name']} {package['version']}"
        print(f"{name}  {package['license'] or 'see the text below'}")
        for text in texts(package):
            holders.setdefault(text, []).append(name)
    for text, names in holders.items():
        print("\n" + "-" * 100 + "\n" + ", ".join(names) + "\n\n" + text)


main()
