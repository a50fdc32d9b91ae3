"""What has to agree between manifests and programs, where no schema looks: each check yields a sentence for each problem.

A check is a function of an `Installation` and of the settings that the programs' help names. check.py runs them all;
mistakes.py has a mistake for each, so that none of them can be vacuous.
"""

import re
from pathlib import PurePosixPath

from objects import NAME, container_of, edges, matches, pod_labels, pod_of, title

DIRECTORY, GATEWAY, MIGRATE = "directory-service", "gateway", "directory-migrate"
LISTENERS = {
    "DIRECTORY_GRPC_LISTEN": "grpc",
    "DIRECTORY_ADMIN_LISTEN": "admin",
    "GATEWAY_HTTP_LISTEN": "scim",
    "GATEWAY_HTTPS_LISTEN": "scim",
    "GATEWAY_ADMIN_LISTEN": "admin",
}
# Names that other software defined, and two that the downward API fills for OTEL_RESOURCE_ATTRIBUTES.
STANDARD = re.compile(r"RUST_LOG|ROLLCALL_LOG_FORMAT|PGSSLMODE|PGSSLROOTCERT|OTEL_[A-Z_]+|POD_NAME|NODE_NAME")
# Who else makes what: by a command of the README or by somebody's cluster.
OUTSIDE = {
    "dev": {"Secret directory-keyring": {"keyring"}},
    "production": {"ConfigMap rollcall-internal-ca": {"ca.crt"}},
    # Base and the component alone: its Secrets come from the components of overlays/production.
    "ingress": {
        "Secret directory-keyring": {"keyring"},
        "Secret directory-database": {"uri"},
        "Secret directory-service-tls": {"tls.crt", "tls.key", "ca.crt"},
        "Secret gateway-tls": {"tls.crt", "tls.key", "ca.crt"},
        "Secret gateway-client-tls": {"tls.crt", "tls.key", "ca.crt"},
        "Secret scim-public-tls": {"tls.crt", "tls.key"},
    },
}
EDGES = {
    "all": {
        "all -> namespaces(metadata.name=kube-system)/pods(k8s-app=kube-dns) :53",
        "all -> namespaces(metadata.name=kube-system)/pods(k8s-app=kube-dns) :53/UDP",
        "name=directory-service <- pods(name=gateway) :grpc",
        "name=directory-service <- namespaces(directory-client=true)/pods(directory-client=true) :grpc",
        "name=directory-service <- namespaces(metadata.name=monitoring) :admin",
        "name=directory-service -> anybody :587",
        "name=directory-service -> anybody :465",
        "name=gateway <- namespaces(scim-client=true) :scim",
        "name=gateway <- namespaces(metadata.name=monitoring) :admin",
        "name=gateway -> pods(name=directory-service) :50051",
    },
    "dev": {"name=directory-service -> anybody :5432"},
    "ingress": {"name=directory-service -> anybody :5432"},
    "production": {
        "name=directory-service -> pods(poolerName=directory-db-pooler) :5432",
        "name In directory-service|gateway -> namespaces(metadata.name=observability) :4317",
        # Proxies that a Gateway controller starts beside us.
        "gateway-name=scim <- anybody :any",
        "gateway-name=scim -> pods(name=gateway) :8443",
        "gateway-name=scim -> namespaces(scim-client=true) :any",
        "name=gateway <- pods(gateway-name=scim) :scim",
        # The database.
        "poolerName=directory-db-pooler <- pods(name=directory-service) :5432",
        "poolerName=directory-db-pooler <- namespaces(metadata.name=monitoring) :9127",
        "poolerName=directory-db-pooler -> pods(cluster=directory-db,podRole=instance) :5432",
        "poolerName=directory-db-pooler -> anybody :443",
        "poolerName=directory-db-pooler -> anybody :6443",
        "cluster=directory-db,podRole=instance <- pods(poolerName=directory-db-pooler) :5432",
        "cluster=directory-db,podRole=instance <- pods(name=directory-migrate) :5432",
        "cluster=directory-db,podRole=instance <- pods(cluster=directory-db) :5432",
        "cluster=directory-db,podRole=instance <- pods(cluster=directory-db) :8000",
        "cluster=directory-db,podRole=instance <- namespaces(metadata.name=cnpg-system) :8000",
        "cluster=directory-db,podRole=instance <- namespaces(metadata.name=monitoring) :9187",
        "cluster=directory-db -> pods(cluster=directory-db) :5432",
        "cluster=directory-db -> pods(cluster=directory-db) :8000",
        "cluster=directory-db -> anybody :443",
        "cluster=directory-db -> anybody :6443",
        "name=directory-migrate -> pods(cluster=directory-db) :5432",
    },
}
# What the operators put on the Pods that they make, as far as our selectors need it.
DATABASE = {"cnpg.io/cluster": "directory-db", "cnpg.io/podRole": "instance"}
POOLER = {"cnpg.io/cluster": "directory-db", "cnpg.io/poolerName": "directory-db-pooler", "cnpg.io/podRole": "pooler"}
PROXY = {"gateway.networking.k8s.io/gateway-name": "scim"}
# What is applied before the first migration, by `kubectl apply -l`.
FIRST = f"{NAME} notin ({DIRECTORY}, {GATEWAY})"


def ports(installation, settings):
    """Each listener has a container port of its name, and the other way round."""
    for workload in installation.servers():
        listening = {}
        for variable, value in installation.environment(workload).items():
            if variable.endswith("_LISTEN"):
                address, _, port = value.rpartition(":")
                listening[LISTENERS.get(variable, variable)] = int(port)
                if address != "0.0.0.0":
                    yield f"{title(workload)}: {variable} listens where nobody outside the Pod reaches it"
        named = {port["name"]: port["containerPort"] for port in container_of(workload)["ports"]}
        if listening != named:
            yield f"{title(workload)}: listens on {listening}, its ports are {named}"


def probes(installation, settings):
    """The paths and numbers of the contract, on the admin port."""
    expected = {
        "startupProbe": ("/startupz", 2, 2, 60),
        "readinessProbe": ("/readyz", 5, 2, 2),
        "livenessProbe": ("/livez", 10, 3, 6),
    }
    for workload in installation.servers():
        for kind, numbers in expected.items():
            probe = container_of(workload).get(kind)
            found = probe and (
                probe["httpGet"]["path"],
                probe["periodSeconds"],
                probe["timeoutSeconds"],
                probe["failureThreshold"],
            )
            if found != numbers:
                yield f"{title(workload)}: {kind} is {found}, not {numbers}"
            elif probe["httpGet"]["port"] != "admin" or probe["httpGet"].get("scheme", "HTTP") != "HTTP":
                yield f"{title(workload)}: {kind} is not plain HTTP on the admin port"


def services(installation, settings):
    """Each Service leads to a port of exactly one workload, and none to an admin port."""
    for service in installation.of("Service"):
        chosen = [
            each
            for each in installation.workloads()
            if matches({"matchLabels": service["spec"]["selector"]}, pod_labels(each))
        ]
        if len(chosen) != 1:
            yield f"{title(service)} selects {len(chosen)} workloads"
            continue
        named = {port["name"]: port["containerPort"] for port in container_of(chosen[0])["ports"]}
        for port in service["spec"]["ports"]:
            if port["targetPort"] not in named:
                yield f"{title(service)}: its Pods have no port {port['targetPort']}"
                continue
            if named[port["targetPort"]] == named["admin"]:
                yield f"{title(service)} makes the admin port reachable"
            if service["spec"].get("clusterIP") == "None" and port["port"] != named[port["targetPort"]]:
                yield f"{title(service)} is headless, so its port must be the container's"
        wanted = "grpc"
        if chosen[0]["metadata"]["name"] == GATEWAY:
            wanted = "https" if "GATEWAY_HTTPS_LISTEN" in installation.environment(chosen[0]) else "http"
        elif service["spec"].get("clusterIP") != "None":
            yield f"{title(service)} has a cluster IP, which pins a gRPC client to one Pod"
        if [port.get("appProtocol") for port in service["spec"]["ports"]] != [wanted]:
            yield f"{title(service)} must say that it speaks {wanted}"


def monitors(installation, settings):
    """What Prometheus reads of our Pods is the admin port, by its name."""
    for monitor in installation.of("PodMonitor"):
        for workload in installation.servers():
            if matches(monitor["spec"]["selector"], pod_labels(workload)):
                if [each["port"] for each in monitor["spec"]["podMetricsEndpoints"]] != ["admin"]:
                    yield f"{title(monitor)} does not read the port admin of {title(workload)}"
    watched = [each["spec"]["selector"] for each in installation.of("PodMonitor")]
    for workload in installation.servers() if watched else []:
        if not any(matches(selector, pod_labels(workload)) for selector in watched):
            yield f"{title(workload)} is not watched"


def selectors(installation, settings):
    """Selectors select what they are meant for, and a workload's own is nothing but its name."""
    known = [pod_labels(each) for each in installation.workloads()] + [DATABASE, POOLER, PROXY]
    for workload in installation.servers():
        name = workload["metadata"]["name"]
        if workload["spec"]["selector"] != {"matchLabels": {NAME: name}} or pod_labels(workload).get(NAME) != name:
            yield f"{title(workload)}: its selector or its Pods' label is not {NAME}={name} alone"
        for spread in pod_of(workload).get("topologySpreadConstraints", []):
            if not matches(spread["labelSelector"], pod_labels(workload)):
                yield f"{title(workload)}: spreads other Pods than its own"
    selecting = [(each, each["spec"]["podSelector"]) for each in installation.of("NetworkPolicy")]
    selecting += [(each, each["spec"]["selector"]) for each in installation.of("PodDisruptionBudget", "PodMonitor")]
    for each, selector in selecting:
        if not any(matches(selector, labels) for labels in known):
            yield f"{title(each)} selects nothing"
    for policy in installation.of("NetworkPolicy"):
        for rule in policy["spec"].get("ingress", []) + policy["spec"].get("egress", []):
            for peer in rule.get("from", []) + rule.get("to", []):
                here = "namespaceSelector" not in peer and "podSelector" in peer
                if here and not any(matches(peer["podSelector"], labels) for labels in known):
                    yield f"{title(policy)} has a peer in this namespace that nothing is: {peer['podSelector']}"


def made(installation):
    """Every Secret and ConfigMap that exists, with its keys: rendered, or made by an operator or by hand."""
    found = {}
    for each in installation.of("ConfigMap", "Secret"):
        found[title(each)] = set(each.get("data", {})) | set(each.get("stringData", {}))
    for each in installation.of("ExternalSecret"):
        target = each["spec"]["target"]
        keys = {item["secretKey"] for item in each["spec"]["data"]}
        found[f"Secret {target['name']}"] = set(target.get("template", {}).get("data", {})) or keys
    for each in installation.of("Certificate"):
        found[f"Secret {each['spec']['secretName']}"] = {"tls.crt", "tls.key", "ca.crt"}
    for each in installation.of("Cluster"):
        found[f"Secret {each['metadata']['name']}-app"] = {"username", "password", "uri", "jdbc-uri", "pgpass"}
        found[f"Secret {each['metadata']['name']}-ca"] = {"ca.crt", "ca.key"}
    return found | OUTSIDE[installation.name]


def references(installation, settings):
    """Whatever an object names exists, down to the keys of Secrets and the files that settings point to."""
    there = made(installation)
    for workload in installation.workloads():
        pod, container = pod_of(workload), container_of(workload)
        if not installation.find("ServiceAccount", pod["serviceAccountName"]):
            yield f"{title(workload)}: there is no ServiceAccount {pod['serviceAccountName']}"
        for source in container.get("envFrom", []):
            if f"ConfigMap {source.get('configMapRef', {}).get('name')}" not in there:
                yield f"{title(workload)}: there is no {source}"
        files = {}
        volumes = {volume["name"]: volume for volume in pod["volumes"]}
        for mount in container["volumeMounts"]:
            volume = volumes.pop(mount["name"], None)
            if volume is None:
                yield f"{title(workload)}: mounts {mount['name']}, which is no volume (or mounted twice)"
                continue
            files[mount["mountPath"]] = None
            if "secret" in volume:
                name = f"Secret {volume['secret']['secretName']}"
                if name not in there:
                    yield f"{title(workload)}: nothing makes the {name}"
                    continue
                items = volume["secret"].get("items")
                for item in items or []:
                    if item["key"] not in there[name]:
                        yield f"{title(workload)}: the {name} has no key {item['key']}"
                files[mount["mountPath"]] = {item["path"] for item in items} if items else there[name]
            claim = volume.get("persistentVolumeClaim")
            if claim and not installation.find("PersistentVolumeClaim", claim["claimName"]):
                yield f"{title(workload)}: there is no claim {claim['claimName']}"
        for volume in volumes:
            yield f"{title(workload)}: nobody mounts the volume {volume}"
        for variable, value in installation.environment(workload).items():
            if variable.endswith("_FILE") or variable == "PGSSLROOTCERT":
                path = PurePosixPath(value)
                if path.name not in (files.get(str(path.parent)) or ()):
                    yield f"{title(workload)}: {variable} is {value}, where no file is mounted"
    yield from references_of_others(installation, there)


def references_of_others(installation, there):
    def missing(each, kind, name):
        if not installation.find(kind, name):
            yield f"{title(each)}: there is no {kind} {name}"

    def missing_key(each, kind, name, key):
        if key not in there.get(f"{kind} {name}", ()):
            yield f"{title(each)}: no {kind} {name} with a key {key}"

    for each in installation.of("HorizontalPodAutoscaler"):
        yield from missing(each, each["spec"]["scaleTargetRef"]["kind"], each["spec"]["scaleTargetRef"]["name"])
    for each in installation.of("Certificate"):
        issuer = each["spec"]["issuerRef"]
        if issuer["kind"] == "Issuer":
            yield from missing(each, "Issuer", issuer["name"])
        elif issuer["name"] != "public":
            yield f"{title(each)}: nobody was told to make the ClusterIssuer {issuer['name']}"
    for each in installation.of("Issuer"):
        if "ca" in each["spec"]:
            yield from missing_key(each, "Secret", each["spec"]["ca"]["secretName"], "tls.key")
    for each in installation.of("Gateway"):
        for listener in each["spec"]["listeners"]:
            for reference in listener["tls"]["certificateRefs"]:
                yield from missing_key(each, "Secret", reference["name"], "tls.key")
    for each in installation.of("BackendTLSPolicy"):
        for reference in each["spec"]["validation"]["caCertificateRefs"]:
            yield from missing_key(each, reference["kind"], reference["name"], "ca.crt")
        for reference in each["spec"]["targetRefs"]:
            yield from missing(each, reference["kind"], reference["name"])
    for each in installation.of("Cluster"):
        for role in each["spec"]["managed"]["roles"]:
            yield from missing_key(each, "Secret", role["passwordSecret"]["name"], "password")
        for plugin in each["spec"]["plugins"]:
            yield from missing(each, "ObjectStore", plugin["parameters"]["barmanObjectName"])
    for each in installation.of("Pooler", "ScheduledBackup"):
        yield from missing(each, "Cluster", each["spec"]["cluster"]["name"])
    for each in installation.of("ObjectStore"):
        for reference in each["spec"]["configuration"]["s3Credentials"].values():
            yield from missing_key(each, "Secret", reference["name"], reference["key"])


def settings_are_known(installation, settings):
    """Every variable is one that the program's help names, or a standard one; values have the form that names promise."""
    for workload in installation.workloads():
        command = " ".join([PurePosixPath(container_of(workload)["command"][0]).name, *container_of(workload)["args"]])
        if command not in settings:
            yield f"{title(workload)} runs {command}, which is none of {sorted(settings)}"
            continue
        environment = installation.environment(workload)
        for variable, value in environment.items():
            if variable not in settings[command] and not STANDARD.fullmatch(variable):
                yield f"{title(workload)}: {command} knows no {variable}"
            if variable.endswith(("_SECONDS", "_MIB", "_PORT", "_CONNECTIONS")) and not (value or "").isdigit():
                yield f"{title(workload)}: {variable} is no number"
            if f"{variable}_FILE" in environment:
                yield f"{title(workload)}: {variable} and {variable}_FILE exclude each other"
        if {"GATEWAY_HTTP_LISTEN", "GATEWAY_HTTPS_LISTEN"} <= environment.keys():
            yield f"{title(workload)}: HTTP and HTTPS exclude each other"


def shutdown(installation, settings):
    """The program ends itself before the kubelet would."""
    for workload in installation.servers():
        environment = installation.environment(workload)
        limits = [
            int(value) for name, value in environment.items() if re.search("_SHUTDOWN_(DRAIN|GRACE)_SECONDS$", name)
        ]
        if len(limits) != 2:
            yield f"{title(workload)}: the drain and the grace must both be set"
        elif sum(limits) + 5 > pod_of(workload)["terminationGracePeriodSeconds"]:
            yield f"{title(workload)}: {limits} and 5 are more than terminationGracePeriodSeconds"
        if "lifecycle" in container_of(workload):
            yield f"{title(workload)}: the drain is the program's; there is nothing in the image that a hook could run"


def scaling(installation, settings):
    """Autoscalers, budgets, replicas and the database's connections fit one another."""
    for workload in installation.servers():
        name, spec = workload["metadata"]["name"], workload["spec"]
        scaler = installation.find("HorizontalPodAutoscaler", name)
        budget = installation.find("PodDisruptionBudget", name)
        if installation.name == "production" and not (scaler and budget):
            yield f"{title(workload)} has no autoscaler or no disruption budget"
        if not scaler:
            continue
        if "replicas" in spec:
            yield f"{title(workload)}: each apply would reset the replicas that the autoscaler chose"
        if "cpu" not in container_of(workload)["resources"]["requests"]:
            yield f"{title(workload)}: the autoscaler measures CPU against a request that is not there"
        least, most = scaler["spec"]["minReplicas"], scaler["spec"]["maxReplicas"]
        if budget and not 1 <= budget["spec"]["maxUnavailable"] < least <= most:
            yield f"{title(budget)}: {budget['spec']['maxUnavailable']} of {least} to {most} replicas leaves none, or no drain"
        if budget and budget["spec"].get("unhealthyPodEvictionPolicy") != "AlwaysAllow":
            yield f"{title(budget)}: a broken Pod would block a drain"
        pool = installation.environment(workload).get("DIRECTORY_DATABASE_MAX_CONNECTIONS")
        for pooler in installation.of("Pooler") if pool else []:
            parameters = pooler["spec"]["pgbouncer"]["parameters"]
            clients = (most + spec["strategy"]["rollingUpdate"]["maxSurge"]) * int(pool)
            if clients > int(parameters["max_client_conn"]):
                yield f"{title(pooler)}: {clients} connections may come"
            servers = int(parameters["default_pool_size"]) * pooler["spec"]["instances"]
            cluster = installation.get("Cluster", pooler["spec"]["cluster"]["name"])
            if servers + 20 > int(cluster["spec"]["postgresql"]["parameters"]["max_connections"]):
                yield f"{title(cluster)}: {servers} connections may come from the pooler alone"


def images(installation, settings):
    """Production names one digest; every container names its program."""
    found = {container_of(workload)["image"] for workload in installation.workloads()}
    if installation.name == "production":
        if len(found) != 1:
            yield f"there is more than one image: {sorted(found)}"
        for image in found:
            if not re.search("@sha256:[0-9a-f]{64}$", image):
                yield f"{image} is not pinned by its digest"
    for workload in installation.workloads():
        container = container_of(workload)
        if not (container.get("command") and container["command"][0].startswith("/usr/bin/") and container.get("args")):
            yield f"{title(workload)} names no program, and the image has no default"
        if container.get("imagePullPolicy") != "IfNotPresent":
            yield f"{title(workload)}: a registry that is away would keep it from starting"


def policies(installation, settings):
    """Exactly the permissions that are written down here, and both ends of each agree."""
    expected = EDGES["all"] | EDGES[installation.name]
    found = [edge for policy in installation.of("NetworkPolicy") for edge in edges(policy)]
    for edge in sorted(set(found) - expected):
        yield f"permits what nobody meant to: {edge}"
    for edge in sorted(expected - set(found)):
        yield f"does not permit: {edge}"
    denials = [each for each in installation.of("NetworkPolicy") if each["spec"]["podSelector"] == {}]
    if not any(set(each["spec"]["policyTypes"]) == {"Ingress", "Egress"} for each in denials):
        yield "no policy denies everything to everybody"
    for policy in installation.of("NetworkPolicy"):
        for kind in ("Ingress", "Egress"):
            if kind.lower() in policy["spec"] and kind not in policy["spec"]["policyTypes"]:
                yield f"{title(policy)} has {kind} rules and is none for {kind}"
    yield from dead_ends(installation)


def dead_ends(installation):
    """Permissions to call something of ours that does not permit to be called."""
    pods = [
        (pod_labels(each), {port["name"]: port["containerPort"] for port in container_of(each).get("ports", [])})
        for each in installation.workloads()
    ]
    pods += [(DATABASE, {}), (POOLER, {}), (PROXY, {})]
    rules = [policy["spec"] for policy in installation.of("NetworkPolicy")]

    def admits(target, names, source, port):
        for spec in rules:
            if "Ingress" not in spec["policyTypes"] or not matches(spec["podSelector"], target):
                continue
            for rule in spec.get("ingress") or []:
                numbers = {names.get(each["port"], each["port"]) for each in rule.get("ports", [])}
                peers = rule.get("from")
                by_peer = peers is None or any(
                    "namespaceSelector" not in peer and matches(peer["podSelector"], source) for peer in peers
                )
                if by_peer and (not numbers or port in numbers):
                    return True
        return False

    for spec in rules:
        for rule in spec.get("egress") or []:
            for peer in rule.get("to", []):
                if "namespaceSelector" in peer or "podSelector" not in peer:
                    continue
                for source in [labels for labels, _ in pods if matches(spec["podSelector"], labels)]:
                    targets = [pod for pod in pods if matches(peer["podSelector"], pod[0])]
                    for port in [each["port"] for each in rule["ports"]]:
                        if not any(admits(target, names, source, port) for target, names in targets):
                            yield f"{source} may call {peer['podSelector']} on {port}, which does not let it in"


def routes(installation, settings):
    """The outside reaches SCIM alone, by HTTPS alone, under one name; names agree with certificates."""
    paths, hosts = set(), set()
    for route in installation.of("HTTPRoute"):
        hosts.update(route["spec"]["hostnames"])
        for rule in route["spec"]["rules"]:
            paths.update(
                (match["path"]["type"], match["path"]["value"])
                for match in rule.get("matches", [{"path": {"type": "all", "value": "/"}}])
            )
            for backend in rule["backendRefs"]:
                if (backend["name"], backend["port"]) not in service_ports(installation, "port"):
                    yield f"{title(route)} leads to {backend['name']}:{backend['port']}, which is no Service's port"
    for gateway in installation.of("Gateway"):
        hosts.update(listener["hostname"] for listener in gateway["spec"]["listeners"])
        if any(listener["protocol"] != "HTTPS" for listener in gateway["spec"]["listeners"]):
            yield f"{title(gateway)} listens without TLS"
    for route in installation.of("Ingress"):
        hosts.update(host for tls in route["spec"].get("tls", []) for host in tls["hosts"])
        if {rule["host"] for rule in route["spec"]["rules"]} != {
            host for tls in route["spec"].get("tls", []) for host in tls["hosts"]
        }:
            yield f"{title(route)} has a host without TLS"
        for path in [path for rule in route["spec"]["rules"] for path in rule["http"]["paths"]]:
            paths.add(("PathPrefix" if path["pathType"] == "Prefix" else path["pathType"], path["path"]))
            backend = path["backend"]["service"]
            if (backend["name"], backend["port"].get("name")) not in service_ports(installation, "name"):
                yield f"{title(route)} leads to {backend}, which is no Service's port"
    if installation.of("HTTPRoute", "Ingress") and paths != {("PathPrefix", "/scim/v2")}:
        yield f"lets the outside in at {sorted(paths)}"
    if not hosts:
        return
    if len(hosts) != 1:
        yield f"more than one public name: {sorted(hosts)}"
    public = installation.environment(installation.get("Deployment", GATEWAY)).get("GATEWAY_PUBLIC_URL")
    if installation.name == "production":
        if {public} != {f"https://{host}" for host in hosts}:
            yield f"GATEWAY_PUBLIC_URL is {public}, the routes' names are {sorted(hosts)}"
        certificate = certificate_in(installation, "scim-public-tls")
        if set(certificate["spec"]["dnsNames"]) != hosts:
            yield f"{title(certificate)} is not for {sorted(hosts)}"


def service_ports(installation, key):
    return {
        (service["metadata"]["name"], port[key])
        for service in installation.of("Service")
        for port in service["spec"]["ports"]
    }


def certificate_in(installation, secret):
    return next(each for each in installation.of("Certificate") if each["spec"]["secretName"] == secret)


def encryption(installation, settings):
    """Production has no plain connection, and names in certificates are the names that are asked for."""
    directory = installation.environment(installation.get("Deployment", DIRECTORY))
    gateway = installation.environment(installation.get("Deployment", GATEWAY))
    service = installation.get("Service", DIRECTORY)
    address = f"dns:///{DIRECTORY}:{service['spec']['ports'][0]['port']}"
    if gateway.get("GATEWAY_DIRECTORY_ENDPOINT") != address:
        yield f"GATEWAY_DIRECTORY_ENDPOINT is not {address}"
    plain = [name for name in directory | gateway if name.endswith("_ALLOW_PLAINTEXT")]
    if installation.name == "dev":
        if len(plain) != 2:
            yield "dev has no certificates, so both programs must be told that plain connections are meant"
        return
    if plain:
        yield f"{plain} is for development alone"
    for environment, needed in (
        (directory, ("DIRECTORY_TLS_CERT_FILE", "DIRECTORY_TLS_KEY_FILE", "DIRECTORY_TLS_CA_FILE")),
        (gateway, ("GATEWAY_HTTPS_LISTEN", "GATEWAY_TLS_CERT_FILE", "GATEWAY_TLS_KEY_FILE")),
        (
            gateway,
            ("GATEWAY_DIRECTORY_TLS_CA_FILE", "GATEWAY_DIRECTORY_TLS_CERT_FILE", "GATEWAY_DIRECTORY_TLS_KEY_FILE"),
        ),
    ):
        for name in needed:
            if name not in environment:
                yield f"{name} is not set, so a connection is plain or not mutual"
    if installation.name != "production":
        return
    if directory.get("PGSSLMODE") != "verify-full":
        yield "the database need not prove its name"
    for secret, name in (("directory-service-tls", DIRECTORY), ("gateway-tls", GATEWAY)):
        certificate = certificate_in(installation, secret)
        namespace = certificate["metadata"]["namespace"]
        if not {name, f"{name}.{namespace}.svc"} <= set(certificate["spec"]["dnsNames"]):
            yield f"{title(certificate)} is not for {name} in {namespace}"
        if "server auth" not in certificate["spec"]["usages"] or "client auth" in certificate["spec"]["usages"]:
            yield f"{title(certificate)} is not for a server alone"
    for secret in ("gateway-client-tls", "operator-client-tls"):
        certificate = certificate_in(installation, secret)
        if "client auth" not in certificate["spec"]["usages"] or "server auth" in certificate["spec"]["usages"]:
            yield f"{title(certificate)} is not for a client alone"
    for policy in installation.of("BackendTLSPolicy"):
        if (
            policy["spec"]["validation"]["hostname"]
            not in certificate_in(installation, "gateway-tls")["spec"]["dnsNames"]
        ):
            yield f"{title(policy)} asks for a name that the gateway's certificate does not have"
    for cluster in installation.of("Cluster"):
        poolers = {each["metadata"]["name"] for each in installation.of("Pooler")}
        if not poolers <= set(cluster["spec"]["certificates"]["serverAltDNSNames"]):
            yield f"{title(cluster)}: the pooler shows a certificate without its name"
        for secret in installation.of("ExternalSecret"):
            uri = secret["spec"]["target"].get("template", {}).get("data", {}).get("uri")
            if uri and not re.search(
                f"@({'|'.join(poolers)}):5432/{cluster['spec']['bootstrap']['initdb']['database']}$", uri
            ):
                yield f"{title(secret)}: the URL does not lead to the pooler and the database"


def secrets(installation, settings):
    """No secret is rendered, and none is in an environment."""
    for each in installation.of("Secret"):
        yield f"{title(each)} is in the manifests"
    for workload in installation.workloads():
        container = container_of(workload)
        if any("secretRef" in source for source in container.get("envFrom", [])):
            yield f"{title(workload)}: a whole Secret is in the environment"
        for variable in container.get("env", []):
            if "secretKeyRef" in variable.get("valueFrom", {}):
                yield f"{title(workload)}: the Secret in {variable['name']} is in the environment"
        for name, value in installation.environment(workload).items():
            if re.search("PASSWORD|KEYRING|_KEY|TOKEN|SECRET", name) and not name.endswith("_FILE"):
                yield f"{title(workload)}: {name} looks like a secret in the environment"
            if re.search(r"://[^/@\s]*:[^/@\s]*@", value or ""):
                yield f"{title(workload)}: {name} is a URL with a password"


def confinement(installation, settings):
    """Everything of the `restricted` profile and more, written out in each Pod."""
    for workload in installation.workloads():
        pod, container = pod_of(workload), container_of(workload)
        inside = pod.get("securityContext", {})
        expected = {"runAsNonRoot": True, "runAsUser": 65532, "runAsGroup": 65532, "fsGroup": 65532}
        if not expected.items() <= inside.items() or inside.get("seccompProfile") != {"type": "RuntimeDefault"}:
            yield f"{title(workload)}: the Pod's security context is {inside}"
        wanted = {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}
        if container.get("securityContext") != wanted:
            yield f"{title(workload)}: the container's security context is {container.get('securityContext')}"
        if any(pod.get(key) for key in ("hostNetwork", "hostPID", "hostIPC", "initContainers")):
            yield f"{title(workload)} shares something with its node, or runs more than one program"
        if pod.get("automountServiceAccountToken") is not False or pod.get("enableServiceLinks") is not False:
            yield f"{title(workload)} gets a token or variables that it has no use for"
        resources = container["resources"]
        if not {"cpu", "memory"} <= resources["requests"].keys() or resources["limits"].keys() != {"memory"}:
            yield f"{title(workload)}: requests are for both, the limit for memory alone"
        for volume in pod["volumes"]:
            if "emptyDir" in volume and volume["emptyDir"].get("sizeLimit") != "64Mi":
                yield f"{title(workload)}: {volume['name']} may fill the node's disk"
            if "secret" in volume and volume["secret"].get("defaultMode") != 0o440:
                yield f"{title(workload)}: the files of {volume['name']} are not 0440"
        for mount in container["volumeMounts"]:
            if "subPath" in mount:
                yield f"{title(workload)}: what is mounted by subPath never changes in a running Pod"
    for account in installation.of("ServiceAccount"):
        if account.get("automountServiceAccountToken") is not False:
            yield f"{title(account)} hands out tokens"
    for namespace in installation.of("Namespace"):
        for mode in ("enforce", "warn", "audit"):
            if namespace["metadata"]["labels"].get(f"pod-security.kubernetes.io/{mode}") != "restricted":
                yield f"{title(namespace)}: {mode} is not restricted"
    if installation.name != "ingress" and len(installation.of("Namespace")) != 1:
        yield "there is not one Namespace"


def rollout(installation, settings):
    """Capacity never drops during a rollout; on SQLite no two Pods meet."""
    for workload in installation.servers():
        spec, pod = workload["spec"], pod_of(workload)
        claimed = [
            volume["persistentVolumeClaim"]["claimName"]
            for volume in pod["volumes"]
            if "persistentVolumeClaim" in volume
        ]
        if claimed:
            modes = [installation.get("PersistentVolumeClaim", name)["spec"]["accessModes"] for name in claimed]
            if spec["strategy"] != {"type": "Recreate"} or spec.get("replicas") != 1 or modes != [["ReadWriteOncePod"]]:
                yield f"{title(workload)}: two Pods could meet on one SQLite file"
        elif spec["strategy"] != {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}:
            yield f"{title(workload)}: a rollout takes capacity away"
        if spec.get("minReadySeconds") != 5 or spec.get("progressDeadlineSeconds") != 300:
            yield f"{title(workload)}: a rollout that cannot get ready is not reported in time"
        spread = {each["topologyKey"]: each["whenUnsatisfiable"] for each in pod["topologySpreadConstraints"]}
        if spread != {"kubernetes.io/hostname": "DoNotSchedule", "topology.kubernetes.io/zone": "ScheduleAnyway"}:
            yield f"{title(workload)} is not spread over nodes and zones"
        if any(each.get("matchLabelKeys") != ["pod-template-hash"] for each in pod["topologySpreadConstraints"]):
            yield f"{title(workload)}: the old ReplicaSet's Pods distort the spread"


def migration(installation, settings):
    """In production one Job changes the schema, as its owner, and directory-service only checks it."""
    mode = installation.environment(installation.get("Deployment", DIRECTORY)).get("DIRECTORY_DB_MIGRATE")
    if installation.name == "dev":
        if mode != "on-start":
            yield "in dev nothing makes the schema"
        return
    if mode != "check":
        yield "directory-service changes the schema itself"
    if installation.name != "production":
        return
    job = installation.get("Job", MIGRATE)
    if container_of(job)["args"] != ["migrate", "up"]:
        yield f"{title(job)} does not migrate"
    owner = {volume["secret"]["secretName"] for volume in pod_of(job)["volumes"] if "secret" in volume}
    if "directory-db-app" not in owner or "directory-database" in owner:
        yield f"{title(job)} is not the owner of the schema"
    for each in [job, installation.get("NetworkPolicy", MIGRATE), installation.get("ServiceAccount", MIGRATE)]:
        if each["metadata"].get("annotations", {}).get("argocd.argoproj.io/hook") != "PreSync":
            yield f"{title(each)} is no hook of Argo CD that comes before a sync"
    yield from first_install(installation, job)


def first_install(installation, job):
    """What `kubectl apply -l FIRST` applies is enough for the Job, and has none of the programs in it."""
    chosen = [
        each
        for each in installation.objects
        if each["metadata"].get("labels", {}).get(NAME) not in (DIRECTORY, GATEWAY)
    ]
    for each in chosen:
        if each["kind"] in ("Deployment", "HorizontalPodAutoscaler"):
            yield f"the first step of an installation ({FIRST}) would start {title(each)}"
    needed = {volume["secret"]["secretName"] for volume in pod_of(job)["volumes"] if "secret" in volume} | {
        "directory-database"
    }
    there = made(type(installation)(installation.name, chosen))
    for name in sorted(needed):
        if f"Secret {name}" not in there:
            yield f"the first step of an installation ({FIRST}) would not make the Secret {name}"
    if not any(each["kind"] == "Namespace" for each in chosen):
        yield f"the first step of an installation ({FIRST}) would not make the namespace"


def everything(installation, settings):
    """One namespace, no object twice, a common label where the programs are concerned."""
    seen, namespaces = set(), set()
    for each in installation.objects:
        key = (each["apiVersion"].split("/")[0], title(each))
        if key in seen:
            yield f"{title(each)} is there twice"
        seen.add(key)
        namespaces.add(each["metadata"]["name"] if each["kind"] == "Namespace" else each["metadata"].get("namespace"))
    if len(namespaces) != 1:
        yield f"more than one namespace: {namespaces}"
    for workload in installation.workloads():
        if pod_labels(workload).get("app.kubernetes.io/part-of") != "rollcall":
            yield f"{title(workload)}: its Pods are no part of rollcall"


ALL = (
    ports,
    probes,
    services,
    monitors,
    selectors,
    references,
    settings_are_known,
    shutdown,
    scaling,
    images,
    policies,
    routes,
    encryption,
    secrets,
    confinement,
    rollout,
    migration,
    everything,
)
