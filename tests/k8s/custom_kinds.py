"""Checks objects of custom kinds strictly against JSON schemas: custom_kinds.py SCHEMAS RENDERED_YAML...

SCHEMAS has a folder for each API group, with files KIND_VERSION.json in lower case. Built-in kinds are kubernetes-validate's.
A kind without a schema is an error unless it is one of UNCHECKED.
"""

import json
import sys
from pathlib import Path

import jsonschema
import yaml

# No schema of the plugin's own kind was to be had.
UNCHECKED = {"barmancloud.cnpg.io/ObjectStore"}
BUILT_IN = {"apps", "autoscaling", "batch", "networking.k8s.io", "policy"}


def closed(schema):
    """The schema with no room for fields that it does not name, as `kubectl apply` with strict validation has it."""
    if isinstance(schema, dict):
        schema = {key: closed(value) for key, value in schema.items()}
        free = schema.get("x-kubernetes-preserve-unknown-fields") or "additionalProperties" in schema
        if isinstance(schema.get("properties"), dict) and "type" in schema and not free:
            schema["additionalProperties"] = False
    elif isinstance(schema, list):
        schema = [closed(value) for value in schema]
    return schema


def schema_of(schemas, group, version, kind):
    file = schemas / group / f"{kind.lower()}_{version}.json"
    if not file.is_file():
        return None
    schema = closed(json.loads(file.read_text(encoding="utf-8")))
    # What every object has, and the schemas leave to the API server.
    schema["properties"] |= {
        "apiVersion": {"type": "string"},
        "kind": {"type": "string"},
        "metadata": {"type": "object"},
    }
    return jsonschema.Draft202012Validator(schema)


def problems(schemas, objects):
    """A sentence for each problem, and how many objects were checked."""
    found, checked = [], 0
    for each in objects:
        group, _, version = each["apiVersion"].rpartition("/")
        name = f"{each['kind']} {each['metadata']['name']}"
        if not group or group in BUILT_IN or f"{group}/{each['kind']}" in UNCHECKED:
            continue
        validator = schema_of(schemas, group, version, each["kind"])
        if validator is None:
            found.append(f"{name}: no schema of {each['apiVersion']} {each['kind']}")
            continue
        checked += 1
        for error in validator.iter_errors(each):
            found.append(f"{name}: {'.'.join(map(str, error.absolute_path))}: {error.message[:200]}")
    return found, checked


def main():
    schemas = Path(sys.argv[1])
    objects = []
    for file in sys.argv[2:]:
        with open(file, encoding="utf-8") as text:
            objects += [each for each in yaml.safe_load_all(text) if each]
    found, checked = problems(schemas, objects)
    for problem in found:
        print(problem)
    if found or not checked:
        sys.exit(f"custom_kinds.py: {len(found)} problems in {checked} objects of custom kinds")
    # A field that there is not must be seen, in each of them.
    for each in objects:
        each.setdefault("spec", {})["rollcallTypo"] = True
    missed = checked - len({problem.split(":")[0] for problem in problems(schemas, objects)[0]})
    if missed:
        sys.exit(f"custom_kinds.py: a field too many was not seen in {missed} objects")
    print(f"{checked} objects of custom kinds fit their schemas")


main()
