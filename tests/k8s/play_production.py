"""Runs the production overlay's programs under podman: play_production.py RENDERED IMAGE ROLLCALL POSTGRES DATA WORK.

RENDERED is the folder with production.yaml and production-migrate.yaml (see pods.py). The operators' part is done here as the
manifests ask for it: certificates with the names and usages of the Certificates, roles and grants by the SQL of the Cluster,
URLs by the template of the ExternalSecret. POSTGRES is the URL of a PostgreSQL for this alone, whose folder is DATA; it gets
TLS. There is no pooler: its name leads to the same PostgreSQL. ROLLCALL is the operator's command. WORK is a folder that the
caller removes.
"""

import base64
import os
import secrets
import ssl
import subprocess
import sys
import time
from urllib.parse import urlsplit

import pods
from objects import Installation

NAMES = {"server auth": "serverAuth", "client auth": "clientAuth", "digital signature": None}
def openssl(*arguments):
    subprocess.run(["openssl", *arguments], check=True, capture_output=True, timeout=30)


class Authority:
    """As an issuer of cert-manager: files tls.crt, tls.key and ca.crt for each certificate."""

    def __init__(self, folder):
        self.folder = folder
        os.makedirs(folder)
        self._make("ca", "basicConstraints = critical, CA:TRUE\nkeyUsage = critical, keyCertSign", ())

    def _make(self, name, extensions, signing):
        config, out = os.path.join(self.folder, f"{name}.conf"), os.path.join(self.folder, name)
        text = f"[req]\nprompt = no\ndistinguished_name = dn\nx509_extensions = ext\n[dn]\nCN = {name}\n[ext]\n{extensions}\n"
        pods.write(config, text)
        key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
        openssl(
            "req",
            "-x509",
            *key,
            "-days",
            "2",
            "-config",
            config,
            "-keyout",
            f"{out}.key",
            "-out",
            f"{out}.crt",
            *signing,
        )

    def path(self, name):
        return os.path.join(self.folder, name)

    def read(self, name):
        with open(self.path(name), encoding="ascii") as file:
            return file.read()

    def issue(self, name, names, usages):
        extensions = [
            "basicConstraints = critical, CA:FALSE",
            "subjectAltName = " + ", ".join(f"DNS:{each}" for each in names),
            "extendedKeyUsage = " + ", ".join(NAMES[usage] for usage in usages if NAMES[usage]),
        ]
        self._make(name, "\n".join(extensions), ("-CA", self.path("ca.crt"), "-CAkey", self.path("ca.key")))
        return {"tls.crt": self.read(f"{name}.crt"), "tls.key": self.read(f"{name}.key"), "ca.crt": self.read("ca.crt")}


def psql(url, *statements):
    commands = [part for statement in statements for part in ("--command", statement)]
    done = subprocess.run(
        [
            "psql",
            "--no-psqlrc",
            "--quiet",
            "--tuples-only",
            "--no-align",
            "--set",
            "ON_ERROR_STOP=1",
            "--dbname",
            url,
            *commands,
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    if done.returncode != 0:
        raise SystemExit(f"psql failed:\n{done.stderr}")
    return done.stdout.strip()


def prepare_database(url, data, cluster, authority):
    """What the operator of the database does: TLS, the database with its owner, and the SQL of the manifest."""
    name = cluster["metadata"]["name"]
    initdb = cluster["spec"]["bootstrap"]["initdb"]
    names = [
        f"{name}-rw",
        f"{name}-rw.{cluster['metadata']['namespace']}",
        *cluster["spec"]["certificates"]["serverAltDNSNames"],
    ]
    files = authority.issue("postgresql", names, ["server auth"])
    owner = os.stat(data)
    for file, content in (("server.crt", files["tls.crt"]), ("server.key", files["tls.key"])):
        pods.write(os.path.join(data, file), content)
        os.chown(os.path.join(data, file), owner.st_uid, owner.st_gid)
    psql(url, "ALTER SYSTEM SET ssl = on", "SELECT pg_reload_conf()")
    database = urlsplit(url)._replace(path=f"/{initdb['database']}").geturl()
    psql(url, f"CREATE ROLE {initdb['owner']} LOGIN", f"CREATE DATABASE {initdb['database']} OWNER {initdb['owner']}")
    psql(database, *initdb["postInitApplicationSQL"])
    for _ in range(100):
        if psql(url, "SHOW ssl") == "on":
            return database
        time.sleep(0.05)
    raise SystemExit("PostgreSQL does not switch TLS on")


def secrets_of(installation, port, internal, database_authority):
    """Every Secret that the operators would make."""
    cluster = installation.get("Cluster", "directory-db")
    initdb, namespace = cluster["spec"]["bootstrap"]["initdb"], cluster["metadata"]["namespace"]
    template = installation.get("ExternalSecret", "directory-database")["spec"]["target"]["template"]["data"]["uri"]
    owner = f"postgresql://{initdb['owner']}:x@directory-db-rw.{namespace}:{port}/{initdb['database']}"
    made = {
        "directory-keyring": {"keyring": base64.b64encode(secrets.token_bytes(32)).decode() + "\n"},
        "directory-smtp": {"password": "x"},
        "directory-database": {"uri": template.replace("{{ .password }}", "x").replace(":5432/", f":{port}/")},
        "directory-db-app": {"uri": owner},
        "directory-db-ca": {"ca.crt": database_authority.read("ca.crt")},
    }
    for each in installation.of("Certificate"):
        spec = each["spec"]
        if spec["issuerRef"]["name"] == "rollcall-internal":
            made[spec["secretName"]] = internal.issue(each["metadata"]["name"], spec["dnsNames"], spec["usages"])
    return made


def main():
    rendered, image, rollcall, url, data, work = sys.argv[1:]
    work = os.path.abspath(work)
    pods.prepare(work)
    files = [os.path.join(rendered, file) for file in ("production.yaml", "production-migrate.yaml")]
    installation = Installation.load("production", files)
    internal, database_authority = Authority(os.path.join(work, "internal")), Authority(os.path.join(work, "database"))
    database = prepare_database(url, data, installation.get("Cluster", "directory-db"), database_authority)
    made = secrets_of(installation, urlsplit(url).port, internal, database_authority)

    scim, grpc, directory_admin, gateway_admin = pods.free_ports(4)
    settings = {
        "directory-service": {
            "DIRECTORY_GRPC_LISTEN": f"127.0.0.1:{grpc}",
            "DIRECTORY_ADMIN_LISTEN": f"127.0.0.1:{directory_admin}",
            "OTEL_EXPORTER_OTLP_ENDPOINT": None,
        },
        "gateway": {
            "GATEWAY_HTTPS_LISTEN": f"127.0.0.1:{scim}",
            "GATEWAY_ADMIN_LISTEN": f"127.0.0.1:{gateway_admin}",
            "GATEWAY_DIRECTORY_ENDPOINT": f"dns:///directory-service:{grpc}",
            "OTEL_EXPORTER_OTLP_ENDPOINT": None,
        },
    }
    adapted = pods.adapt(installation.objects, image, settings, made, work)
    try:
        pods.play([each for each in adapted if each["kind"] == "Pod"], work, "migrate.yaml")
        code = pods.podman("wait", pods.container("directory-migrate")).strip()
        assert code == "0", f"the migration ended with {code}:\n{pods.logs('directory-migrate')}"
        may_create = "SELECT has_schema_privilege('rollcall_service', 'public', 'CREATE')"
        owned = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public' AND tableowner = 'rollcall_service'"
        tables = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public' AND tableowner = 'rollcall_owner'"
        assert (psql(database, may_create), psql(database, owned)) == ("f", "0"), (
            "the service's role may change the schema"
        )
        pods.say(f"the Job made {psql(database, tables)} tables as their owner, over TLS to the database's name")

        pods.play([each for each in adapted if each["kind"] != "Pod"], work, "production.yaml")
        pods.await_ready("directory-service", directory_admin)
        pods.await_ready("gateway", gateway_admin)
        for name in ("directory-service", "gateway"):
            pods.check_confinement(name)
        encrypted = (
            "SELECT bool_and(ssl) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE usename = 'rollcall_service'"
        )
        assert psql(database, encrypted) == "t", "directory-service speaks to PostgreSQL in the clear"
        pods.say("both programs are ready: a role without DDL, TLS to PostgreSQL, mutual TLS between them")

        directory = {
            "ROLLCALL_GRPC_ENDPOINT": f"https://127.0.0.1:{grpc}",
            "ROLLCALL_TLS_SERVER_NAME": "directory-service",
        }
        directory["ROLLCALL_TLS_CA_FILE"] = internal.path("ca.crt")
        certificate = {
            "ROLLCALL_TLS_CERT_FILE": internal.path("operator-client.crt"),
            "ROLLCALL_TLS_KEY_FILE": internal.path("operator-client.key"),
        }
        token = pods.first_tokens(rollcall, work, directory | certificate)
        assert pods.operate(rollcall, work, directory | certificate, "tenant", "list", check=False) == 0
        assert pods.operate(rollcall, work, directory, "tenant", "list", check=False) != 0, (
            "no client certificate is needed"
        )
        tls = ssl.create_default_context(cafile=internal.path("ca.crt"))
        policy = installation.get("BackendTLSPolicy", "gateway")["spec"]["validation"]["hostname"]
        pods.check_scim(scim, token, (tls, policy))
        pods.say("SCIM answers over HTTPS by the name that the route asks for; gRPC wants a client certificate")

        pods.check_stop("gateway", gateway_admin, lambda: pods.check_scim(scim, token, (tls, policy)))
        pods.check_stop("directory-service", directory_admin)
    finally:
        pods.clean()


main()
