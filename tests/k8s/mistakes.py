"""Mistakes that somebody could make in the manifests, each for the check that has to find it."""

import copy

import checks
from objects import container_of, pod_of

GONE = object()
DIRECTORY, GATEWAY, JOB = ("Deployment", "directory-service"), ("Deployment", "gateway"), ("Job", "directory-migrate")
POD = "spec.template.spec."
CONTAINER = POD + "containers.0."


def put(kind_and_name, path, value):
    """A mistake: the value at a dotted path becomes another one, or goes."""

    def plant(installation):
        *way, last = path.split(".")
        place = installation.get(*kind_and_name)
        for step in way:
            place = place[int(step)] if isinstance(place, list) else place[step]
        last = int(last) if isinstance(place, list) else last.replace("|", ".")
        if value is GONE:
            del place[last]
        else:
            place[last] = copy.deepcopy(value)

    return plant


def add(kind_and_name, path, value):
    """A mistake: one more element in the list at a dotted path."""

    def plant(installation):
        place = installation.get(*kind_and_name)
        for step in path.split("."):
            place = place[int(step)] if isinstance(place, list) else place[step]
        place.append(copy.deepcopy(value))

    return plant


def setting(program, name, value):
    """A mistake: a setting is another one, is one more, or goes."""
    return put(("ConfigMap", program), f"data.{name}", value)


def variable(kind_and_name, value):
    """A mistake: one more variable in a container's own list."""

    def plant(installation):
        container_of(installation.get(*kind_and_name)).setdefault("env", []).append(copy.deepcopy(value))

    return plant


def label(kind_and_name, name):
    """A mistake: an object has the name label of something else."""
    return put(kind_and_name, "metadata.labels", {"app.kubernetes.io/name": name})


def remove(kind, name):
    """A mistake: an object is not there."""

    def plant(installation):
        installation.objects.remove(installation.get(kind, name))

    return plant


def double(kind_and_name, **metadata):
    """A mistake: an object is there twice, perhaps under another name."""

    def plant(installation):
        again = copy.deepcopy(installation.get(*kind_and_name))
        again["metadata"].update(metadata)
        installation.objects.append(again)

    return plant


def one_more(each):
    """A mistake: something is there that should not be."""
    return lambda installation: installation.objects.append(copy.deepcopy(each))


def commonlabels(installation):
    """What kustomize's commonLabels does: peers get the selector of the object that they stand in."""
    for rule in installation.get("NetworkPolicy", "directory-service")["spec"]["ingress"]:
        for peer in rule["from"]:
            if "podSelector" in peer:
                peer["podSelector"]["matchLabels"]["app.kubernetes.io/name"] = "directory-service"


def one_limit(installation):
    del installation.get("ConfigMap", "gateway")["data"]["GATEWAY_SHUTDOWN_GRACE_SECONDS"]


def unmounted(installation):
    """The mount of the keyring goes, the volume stays."""
    container = container_of(installation.get(*DIRECTORY))
    container["volumeMounts"] = [mount for mount in container["volumeMounts"] if mount["name"] != "keyring"]


def volume_of(kind_and_name, name, key, value):
    """A mistake in a volume."""

    def plant(installation):
        for volume in pod_of(installation.get(*kind_and_name))["volumes"]:
            if volume["name"] == name:
                volume[key] = value(volume[key])

    return plant


POLICY = ("NetworkPolicy", "directory-service")
PEER = {"podSelector": {"matchLabels": {"app.kubernetes.io/name": "gatway"}}}
SECRET_VARIABLE = {"name": "X", "valueFrom": {"secretKeyRef": {"name": "directory-smtp", "key": "password"}}}
SERVICE = ("Service", "gateway")
ROUTE = ("HTTPRoute", "scim")
INGRESS = ("Ingress", "scim")
INGRESS_PATH = "spec.rules.0.http.paths.0."

# (installation, check, the mistake in words, how to make it)
ALL = [
    (
        "production",
        checks.ports,
        "a setting's port is not the container's",
        setting("gateway", "GATEWAY_HTTPS_LISTEN", "0.0.0.0:8444"),
    ),
    (
        "dev",
        checks.ports,
        "it listens on loopback",
        setting("directory-service", "DIRECTORY_ADMIN_LISTEN", "127.0.0.1:9090"),
    ),
    ("production", checks.probes, "the wrong path", put(GATEWAY, CONTAINER + "readinessProbe.httpGet.path", "/livez")),
    ("dev", checks.probes, "no liveness probe", put(GATEWAY, CONTAINER + "livenessProbe", GONE)),
    (
        "production",
        checks.probes,
        "the probe asks the public port",
        put(GATEWAY, CONTAINER + "readinessProbe.httpGet.port", "scim"),
    ),
    (
        "production",
        checks.services,
        "the selector matches no Pod",
        put(SERVICE, "spec.selector", {"app.kubernetes.io/name": "gatway"}),
    ),
    (
        "production",
        checks.services,
        "the target port has no such name",
        put(SERVICE, "spec.ports.0.targetPort", "http"),
    ),
    (
        "production",
        checks.services,
        "the Service leads to the admin port",
        put(SERVICE, "spec.ports.0.targetPort", "admin"),
    ),
    (
        "dev",
        checks.services,
        "a headless port is another one",
        put(("Service", "directory-service"), "spec.ports.0.port", 443),
    ),
    ("dev", checks.services, "gRPC behind a cluster IP", put(("Service", "directory-service"), "spec.clusterIP", GONE)),
    ("production", checks.services, "HTTPS that is called HTTP", put(SERVICE, "spec.ports.0.appProtocol", "http")),
    (
        "production",
        checks.monitors,
        "another port",
        put(("PodMonitor", "rollcall-gateway"), "spec.podMetricsEndpoints.0.port", "metrics"),
    ),
    ("production", checks.monitors, "a program that nobody watches", remove("PodMonitor", "rollcall-gateway")),
    (
        "production",
        checks.selectors,
        "a selector with a label that changes",
        put(GATEWAY, "spec.selector.matchLabels.version", "1"),
    ),
    (
        "production",
        checks.selectors,
        "spread by another program's Pods",
        put(
            GATEWAY,
            POD + "topologySpreadConstraints.0.labelSelector.matchLabels",
            {"app.kubernetes.io/name": "directory-service"},
        ),
    ),
    (
        "production",
        checks.selectors,
        "a budget for nobody",
        put(("PodDisruptionBudget", "gateway"), "spec.selector.matchLabels", {"app": "gateway"}),
    ),
    ("production", checks.selectors, "a misspelt peer", add(POLICY, "spec.ingress.0.from", PEER)),
    ("production", checks.references, "no such account", put(JOB, POD + "serviceAccountName", "migrate")),
    (
        "production",
        checks.references,
        "no such ConfigMap",
        put(GATEWAY, CONTAINER + "envFrom.0.configMapRef.name", "gateway"),
    ),
    (
        "production",
        checks.references,
        "a mount without a volume",
        put(GATEWAY, CONTAINER + "volumeMounts.0.name", "temp"),
    ),
    (
        "production",
        checks.references,
        "a Secret that nothing makes",
        volume_of(GATEWAY, "tls", "secret", lambda secret: secret | {"secretName": "gateway-cert"}),
    ),
    (
        "production",
        checks.references,
        "a key that the Secret does not have",
        volume_of(JOB, "database", "secret", lambda secret: secret | {"items": [{"key": "url", "path": "uri"}]}),
    ),
    ("dev", checks.references, "no such claim", remove("PersistentVolumeClaim", "directory-data")),
    ("production", checks.references, "a volume that nobody mounts", unmounted),
    (
        "production",
        checks.references,
        "a setting points beside the file",
        setting("directory-service", "DIRECTORY_TLS_CA_FILE", "/run/secrets/tls/ca.pem"),
    ),
    (
        "production",
        checks.references,
        "the database's authority is not mounted",
        setting("directory-service", "PGSSLROOTCERT", "/run/secrets/ca/ca.crt"),
    ),
    (
        "production",
        checks.references,
        "an autoscaler for nobody",
        put(("HorizontalPodAutoscaler", "gateway"), "spec.scaleTargetRef.name", "gatway"),
    ),
    (
        "production",
        checks.references,
        "no such issuer",
        put(("Certificate", "gateway"), "spec.issuerRef.name", "rollcall"),
    ),
    (
        "production",
        checks.references,
        "a cluster's issuer nobody knows",
        put(("Certificate", "scim-public"), "spec.issuerRef.name", "letsencrypt"),
    ),
    (
        "production",
        checks.references,
        "the issuer's Secret is not there",
        put(("Issuer", "rollcall-internal"), "spec.ca.secretName", "ca"),
    ),
    (
        "production",
        checks.settings_are_known,
        "a misspelt setting",
        setting("directory-service", "DIRECTORY_DATABASE_MAX_CONECTIONS", "20"),
    ),
    (
        "production",
        checks.settings_are_known,
        "the other program's setting",
        setting("gateway", "DIRECTORY_MAX_CONNECTION_AGE_SECONDS", "300"),
    ),
    (
        "production",
        checks.settings_are_known,
        "a setting of serve for migrate",
        variable(JOB, {"name": "DIRECTORY_DB_MIGRATE", "value": "on-start"}),
    ),
    ("production", checks.settings_are_known, "a command that there is not", put(JOB, CONTAINER + "args", ["migrate"])),
    (
        "production",
        checks.settings_are_known,
        "seconds with a unit",
        setting("gateway", "GATEWAY_SHUTDOWN_DRAIN_SECONDS", "10s"),
    ),
    (
        "production",
        checks.settings_are_known,
        "a URL beside the file with the URL",
        setting("directory-service", "DIRECTORY_DATABASE_URL", "postgres://db/directory"),
    ),
    (
        "production",
        checks.settings_are_known,
        "HTTP beside HTTPS",
        setting("gateway", "GATEWAY_HTTP_LISTEN", "0.0.0.0:8080"),
    ),
    (
        "production",
        checks.shutdown,
        "too little time to end",
        put(DIRECTORY, POD + "terminationGracePeriodSeconds", 50),
    ),
    ("production", checks.shutdown, "a grace that nobody set", one_limit),
    (
        "production",
        checks.shutdown,
        "a hook",
        put(GATEWAY, CONTAINER + "lifecycle", {"preStop": {"exec": {"command": ["sleep", "5"]}}}),
    ),
    ("production", checks.scaling, "no budget", remove("PodDisruptionBudget", "gateway")),
    ("production", checks.scaling, "replicas beside an autoscaler", put(GATEWAY, "spec.replicas", 3)),
    ("production", checks.scaling, "no CPU request", put(GATEWAY, CONTAINER + "resources.requests.cpu", GONE)),
    (
        "production",
        checks.scaling,
        "a budget that lets all go",
        put(("PodDisruptionBudget", "gateway"), "spec.maxUnavailable", 3),
    ),
    (
        "production",
        checks.scaling,
        "a budget that lets none go",
        put(("PodDisruptionBudget", "gateway"), "spec.maxUnavailable", 0),
    ),
    (
        "production",
        checks.scaling,
        "broken Pods block drains",
        put(("PodDisruptionBudget", "gateway"), "spec.unhealthyPodEvictionPolicy", "IfHealthyBudget"),
    ),
    (
        "production",
        checks.scaling,
        "more connections than the pooler takes",
        setting("directory-service", "DIRECTORY_DATABASE_MAX_CONNECTIONS", "101"),
    ),
    (
        "production",
        checks.scaling,
        "more connections than PostgreSQL takes",
        put(("Pooler", "directory-db-pooler"), "spec.pgbouncer.parameters.default_pool_size", "100"),
    ),
    ("production", checks.images, "a tag", put(GATEWAY, CONTAINER + "image", "registry.example.com/rollcall:1")),
    (
        "production",
        checks.images,
        "another digest",
        put(JOB, CONTAINER + "image", f"registry.example.com/rollcall@sha256:{1:064}"),
    ),
    ("production", checks.images, "no program", put(JOB, CONTAINER + "command", GONE)),
    ("dev", checks.images, "pulled each time", put(GATEWAY, CONTAINER + "imagePullPolicy", "Always")),
    ("production", checks.policies, "kustomize's commonLabels", commonlabels),
    ("production", checks.policies, "anybody may come in", put(POLICY, "spec.ingress.0.from", GONE)),
    (
        "production",
        checks.policies,
        "the whole cluster may come in",
        add(("NetworkPolicy", "gateway"), "spec.ingress.0.from", {"namespaceSelector": {}}),
    ),
    (
        "production",
        checks.policies,
        "the admin port for the gateway",
        add(POLICY, "spec.ingress.0.ports", {"protocol": "TCP", "port": "admin"}),
    ),
    (
        "production",
        checks.policies,
        "an address",
        add(("NetworkPolicy", "gateway"), "spec.egress.0.to", {"ipBlock": {"cidr": "0.0.0.0/0"}}),
    ),
    ("production", checks.policies, "any PostgreSQL", put(POLICY, "spec.egress.0.to", GONE)),
    ("dev", checks.policies, "no default denial", remove("NetworkPolicy", "default-deny")),
    (
        "dev",
        checks.policies,
        "a denial of one direction",
        put(("NetworkPolicy", "default-deny"), "spec.policyTypes", ["Ingress"]),
    ),
    (
        "production",
        checks.policies,
        "the database does not let the Job in",
        put(
            ("NetworkPolicy", "directory-db"),
            "spec.ingress.0.from.1",
            {"podSelector": {"matchLabels": {"app.kubernetes.io/name": "migrate"}}},
        ),
    ),
    ("production", checks.routes, "everything is let in", put(ROUTE, "spec.rules.0.matches.0.path.value", "/")),
    ("production", checks.routes, "no path at all", put(ROUTE, "spec.rules.0.matches", GONE)),
    (
        "production",
        checks.routes,
        "the admin port behind the route",
        put(ROUTE, "spec.rules.0.backendRefs.0.port", 9091),
    ),
    ("production", checks.routes, "plain HTTP", put(("Gateway", "scim"), "spec.listeners.0.protocol", "HTTP")),
    ("production", checks.routes, "another host", put(ROUTE, "spec.hostnames", ["other.example.com"])),
    (
        "production",
        checks.routes,
        "another public URL",
        setting("gateway", "GATEWAY_PUBLIC_URL", "http://scim.example.com"),
    ),
    (
        "production",
        checks.routes,
        "a certificate for another name",
        put(("Certificate", "scim-public"), "spec.dnsNames", ["example.com"]),
    ),
    ("ingress", checks.routes, "everything is let in", put(INGRESS, INGRESS_PATH + "path", "/")),
    ("ingress", checks.routes, "no TLS", put(INGRESS, "spec.tls", GONE)),
    ("ingress", checks.routes, "no such port", put(INGRESS, INGRESS_PATH + "backend.service.port.name", "admin")),
    (
        "production",
        checks.encryption,
        "a port that the directory has not",
        setting("gateway", "GATEWAY_DIRECTORY_ENDPOINT", "dns:///directory-service:50052"),
    ),
    ("dev", checks.encryption, "plaintext that nobody allowed", setting("gateway", "GATEWAY_ALLOW_PLAINTEXT", GONE)),
    ("production", checks.encryption, "plaintext", setting("gateway", "GATEWAY_ALLOW_PLAINTEXT", "true")),
    (
        "production",
        checks.encryption,
        "TLS that is not mutual",
        setting("directory-service", "DIRECTORY_TLS_CA_FILE", GONE),
    ),
    (
        "production",
        checks.encryption,
        "a database that proves nothing",
        setting("directory-service", "PGSSLMODE", "require"),
    ),
    (
        "production",
        checks.encryption,
        "a certificate for another name",
        put(("Certificate", "directory-service"), "spec.dnsNames", ["directory"]),
    ),
    (
        "production",
        checks.encryption,
        "a server's certificate that is a client's",
        put(("Certificate", "gateway"), "spec.usages", ["server auth", "client auth"]),
    ),
    (
        "production",
        checks.encryption,
        "a client's certificate that is a server's",
        put(("Certificate", "gateway-client"), "spec.usages", ["server auth"]),
    ),
    (
        "production",
        checks.encryption,
        "the controller asks for another name",
        put(("BackendTLSPolicy", "gateway"), "spec.validation.hostname", "scim.example.com"),
    ),
    (
        "production",
        checks.encryption,
        "the pooler's name is in no certificate",
        put(("Cluster", "directory-db"), "spec.certificates.serverAltDNSNames", []),
    ),
    (
        "production",
        checks.encryption,
        "a URL past the pooler",
        put(
            ("ExternalSecret", "directory-database"),
            "spec.target.template.data.uri",
            "postgres://a@directory-db-rw:5432/directory",
        ),
    ),
    (
        "dev",
        checks.secrets,
        "a Secret in the manifests",
        one_more({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "namespace": "identity-dev"}}),
    ),
    ("production", checks.secrets, "a Secret in a variable", variable(GATEWAY, SECRET_VARIABLE)),
    (
        "production",
        checks.secrets,
        "a Secret as the environment",
        add(GATEWAY, CONTAINER + "envFrom", {"secretRef": {"name": "directory-smtp"}}),
    ),
    (
        "production",
        checks.secrets,
        "a password in the settings",
        setting("directory-service", "DIRECTORY_SMTP_PASSWORD", "x"),
    ),
    (
        "production",
        checks.secrets,
        "a password in a URL",
        variable(JOB, {"name": "RUST_LOG", "value": "postgres://a:b@db/c"}),
    ),
    ("production", checks.confinement, "root", put(JOB, POD + "securityContext.runAsUser", 0)),
    ("production", checks.confinement, "no seccomp", put(GATEWAY, POD + "securityContext.seccompProfile", GONE)),
    (
        "production",
        checks.confinement,
        "a root that can be written",
        put(GATEWAY, CONTAINER + "securityContext.readOnlyRootFilesystem", False),
    ),
    (
        "production",
        checks.confinement,
        "a capability",
        put(GATEWAY, CONTAINER + "securityContext.capabilities.add", ["NET_BIND_SERVICE"]),
    ),
    ("production", checks.confinement, "the node's network", put(GATEWAY, POD + "hostNetwork", True)),
    ("production", checks.confinement, "a token", put(JOB, POD + "automountServiceAccountToken", GONE)),
    ("production", checks.confinement, "links to Services", put(GATEWAY, POD + "enableServiceLinks", True)),
    ("production", checks.confinement, "a CPU limit", put(GATEWAY, CONTAINER + "resources.limits.cpu", "1")),
    ("production", checks.confinement, "no memory limit", put(GATEWAY, CONTAINER + "resources.limits", {})),
    ("production", checks.confinement, "a folder without a limit", volume_of(GATEWAY, "tmp", "emptyDir", lambda _: {})),
    (
        "production",
        checks.confinement,
        "a key that everybody reads",
        volume_of(DIRECTORY, "keyring", "secret", lambda secret: secret | {"defaultMode": 0o444}),
    ),
    (
        "production",
        checks.confinement,
        "a file that never changes",
        put(GATEWAY, CONTAINER + "volumeMounts.1.subPath", "tls.crt"),
    ),
    (
        "production",
        checks.confinement,
        "an account with tokens",
        put(("ServiceAccount", "gateway"), "automountServiceAccountToken", True),
    ),
    (
        "production",
        checks.confinement,
        "a namespace that warns of nothing",
        put(("Namespace", "identity"), "metadata.labels.pod-security|kubernetes|io/warn", "baseline"),
    ),
    ("dev", checks.confinement, "no namespace", remove("Namespace", "identity-dev")),
    ("dev", checks.rollout, "rolling over SQLite", put(DIRECTORY, "spec.strategy", {"type": "RollingUpdate"})),
    (
        "dev",
        checks.rollout,
        "the base's strategy beside Recreate",
        put(DIRECTORY, "spec.strategy.rollingUpdate", {"maxSurge": 1}),
    ),
    (
        "dev",
        checks.rollout,
        "a volume for a whole node",
        put(("PersistentVolumeClaim", "directory-data"), "spec.accessModes", ["ReadWriteOnce"]),
    ),
    (
        "production",
        checks.rollout,
        "a rollout that takes capacity",
        put(GATEWAY, "spec.strategy.rollingUpdate.maxUnavailable", 1),
    ),
    (
        "production",
        checks.rollout,
        "a rollout that is never given up",
        put(GATEWAY, "spec.progressDeadlineSeconds", GONE),
    ),
    (
        "production",
        checks.rollout,
        "all on one node",
        put(GATEWAY, POD + "topologySpreadConstraints.0.whenUnsatisfiable", "ScheduleAnyway"),
    ),
    (
        "production",
        checks.rollout,
        "spread with the old ReplicaSet",
        put(GATEWAY, POD + "topologySpreadConstraints.0.matchLabelKeys", GONE),
    ),
    ("dev", checks.migration, "nobody makes the schema", setting("directory-service", "DIRECTORY_DB_MIGRATE", "check")),
    (
        "production",
        checks.migration,
        "replicas race for the schema",
        setting("directory-service", "DIRECTORY_DB_MIGRATE", "on-start"),
    ),
    ("production", checks.migration, "the Job only looks", put(JOB, CONTAINER + "args", ["migrate", "status"])),
    (
        "production",
        checks.migration,
        "the Job is not the owner",
        volume_of(JOB, "database", "secret", lambda secret: secret | {"secretName": "directory-database"}),
    ),
    (
        "production",
        checks.migration,
        "no hook",
        put(("NetworkPolicy", "directory-migrate"), "metadata.annotations", GONE),
    ),
    ("production", checks.migration, "the first step starts a program", label(GATEWAY, "scim")),
    (
        "production",
        checks.migration,
        "the first step makes no database",
        label(("Cluster", "directory-db"), "directory-service"),
    ),
    ("production", checks.migration, "the first step makes no namespace", label(("Namespace", "identity"), "gateway")),
    ("production", checks.everything, "an object twice", double(POLICY)),
    ("production", checks.everything, "another namespace", double(POLICY, namespace="default", name="other")),
    (
        "production",
        checks.everything,
        "Pods that are no part of it",
        put(JOB, "spec.template.metadata.labels", {"app.kubernetes.io/name": "directory-migrate"}),
    ),
]
for kind, name, path, value in (
    ("Gateway", "scim", "spec.listeners.0.tls.certificateRefs.0.name", "scim-tls"),
    ("BackendTLSPolicy", "gateway", "spec.validation.caCertificateRefs.0.name", "ca"),
    ("BackendTLSPolicy", "gateway", "spec.targetRefs.0.name", "scim"),
    ("Cluster", "directory-db", "spec.managed.roles.0.passwordSecret.name", "directory-db-service"),
    ("Cluster", "directory-db", "spec.plugins.0.parameters.barmanObjectName", "backup"),
    ("Pooler", "directory-db-pooler", "spec.cluster.name", "db"),
    ("ScheduledBackup", "directory-db", "spec.cluster.name", "db"),
    ("ObjectStore", "directory-db", "spec.configuration.s3Credentials.accessKeyId.key", "ID"),
):
    ALL.append(
        ("production", checks.references, f"{kind} names {value}, which is not there", put((kind, name), path, value))
    )
