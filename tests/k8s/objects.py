"""Rendered manifests as Python: finding objects, matching selectors, naming the ends of a network policy."""

import copy

import yaml

NAME = "app.kubernetes.io/name"
SHORT = {
    NAME: "name",
    "kubernetes.io/metadata.name": "metadata.name",
    "rollcall.dev/directory-client": "directory-client",
    "rollcall.dev/scim-client": "scim-client",
    "cnpg.io/cluster": "cluster",
    "cnpg.io/podRole": "podRole",
    "cnpg.io/poolerName": "poolerName",
    "gateway.networking.k8s.io/gateway-name": "gateway-name",
}


class Installation:
    """All objects that are applied to one namespace, such as those of two overlays."""

    def __init__(self, name, objects):
        self.name = name
        self.objects = objects

    @classmethod
    def load(cls, name, files):
        objects = []
        for file in files:
            with open(file, encoding="utf-8") as text:
                objects += [each for each in yaml.safe_load_all(text) if each]
        return cls(name, objects)

    def copy(self):
        return Installation(self.name, copy.deepcopy(self.objects))

    def of(self, *kinds):
        return [each for each in self.objects if each["kind"] in kinds]

    def find(self, kind, name):
        """The object of this kind and name, or none."""
        for each in self.of(kind):
            if each["metadata"]["name"] == name:
                return each
        return None

    def get(self, kind, name):
        """As `find`, but it must be there. The name of a ConfigMap may be without the hash that kustomize appended."""
        found = self.find(kind, name)
        for each in self.of("ConfigMap") if kind == "ConfigMap" else []:
            if each["metadata"]["name"].rpartition("-")[0] == name:
                found = each
        if found is None:
            raise KeyError(f"there is no {kind} {name}")
        return found

    def workloads(self):
        return self.of("Deployment", "Job")

    def servers(self):
        return self.of("Deployment")

    def environment(self, workload):
        """What the container gets from ConfigMaps and literals; values that come from elsewhere are None."""
        container = container_of(workload)
        found = {}
        for source in container.get("envFrom", []):
            if "configMapRef" in source:
                settings = self.find("ConfigMap", source["configMapRef"]["name"])
                found.update(settings["data"] if settings else {})
        for variable in container.get("env", []):
            found[variable["name"]] = variable.get("value")
        return found


def title(each):
    return f"{each['kind']} {each['metadata']['name']}"


def pod_of(workload):
    return workload["spec"]["template"]["spec"]


def container_of(workload):
    (container,) = pod_of(workload)["containers"]
    return container


def pod_labels(workload):
    return workload["spec"]["template"]["metadata"]["labels"]


def matches(selector, labels):
    """Whether a label selector, of the forms that we use, selects something with these labels."""
    for key, value in selector.get("matchLabels", {}).items():
        if labels.get(key) != value:
            return False
    for expression in selector.get("matchExpressions", []):
        if expression["operator"] == "Exists":
            if expression["key"] not in labels:
                return False
        elif expression["operator"] == "In":
            if labels.get(expression["key"]) not in expression["values"]:
                return False
        else:
            raise ValueError(f"no check of ours understands {expression}")
    return True


def spell(selector):
    """A selector as short text; labels that are not ours to shorten stay as they are."""
    labels = sorted(selector.get("matchLabels", {}).items())
    parts = [f"{SHORT.get(key, key)}={value}" for key, value in labels]
    for expression in selector.get("matchExpressions", []):
        values = "|".join(expression.get("values", []))
        parts.append(f"{SHORT.get(expression['key'], expression['key'])} {expression['operator']} {values}")
    return ",".join(parts) or "all"


def edges(policy):
    """Every permission of a policy as one line of text: `subject <- peer :port` or `subject -> peer :port`."""
    subject = spell(policy["spec"]["podSelector"])
    for direction, key, peers in (("<-", "ingress", "from"), ("->", "egress", "to")):
        for rule in policy["spec"].get(key) or []:
            ports = [
                str(port["port"]) + ("/UDP" if port["protocol"] == "UDP" else "") for port in rule.get("ports", [])
            ]
            for peer in rule.get(peers) or [None]:
                for port in ports or ["any"]:
                    yield f"{subject} {direction} {spell_peer(peer)} :{port}"


def spell_peer(peer):
    if peer is None:
        return "anybody"
    parts = []
    if "namespaceSelector" in peer:
        parts.append(f"namespaces({spell(peer['namespaceSelector'])})")
    if "podSelector" in peer:
        parts.append(f"pods({spell(peer['podSelector'])})")
    if "ipBlock" in peer:
        parts.append(f"addresses({peer['ipBlock']['cidr']})")
    return "/".join(parts)
