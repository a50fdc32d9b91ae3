"""Pods under podman, made from rendered manifests, and what is asked of both overlays that are played.

Changed in a manifest is only what a single machine without a cluster makes necessary: the host's network with free ports, no
probes (their paths are asked here), a short drain, no restart, and Secrets as folders that look as the kubelet makes them
(podman's have mode 0644, whatever `defaultMode` says). Podman's settings come from the environment.
"""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time

import yaml

from objects import NAME

USER = 65532
DRAIN, GRACE = 3, 20
LIMITS = {
    "directory-service": {"DIRECTORY_SHUTDOWN_DRAIN_SECONDS": DRAIN, "DIRECTORY_SHUTDOWN_GRACE_SECONDS": GRACE},
    "gateway": {"GATEWAY_SHUTDOWN_DRAIN_SECONDS": DRAIN, "GATEWAY_SHUTDOWN_GRACE_SECONDS": GRACE},
}


def say(text):
    print(f"{os.path.basename(sys.argv[0])}: {text}", file=sys.stderr, flush=True)


def write(path, text):
    with open(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "w", encoding="utf-8") as out:
        out.write(text)


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def secret_folder(work, name, files):
    """A mounted Secret: root's files, readable for the Pod's group alone."""
    folder = os.path.join(work, "secrets", name)
    os.makedirs(folder, exist_ok=True)
    for file, content in files.items():
        path = os.path.join(folder, file)
        write(path, content)
        os.chown(path, 0, USER)
        os.chmod(path, 0o440)
    return folder


def adapt_pod(pod, owner, image, secrets, work):
    pod["hostNetwork"] = True
    pod["restartPolicy"] = "Never"
    for container in pod["containers"]:
        container["image"] = image
        for key in ("ports", "startupProbe", "readinessProbe", "livenessProbe"):
            container.pop(key, None)
        # The downward API's values are for traces, which go nowhere here.
        container["env"] = [variable for variable in container.get("env", []) if "OTEL_" not in variable["name"]]
        container["env"] = [
            variable for variable in container["env"] if "fieldRef" not in variable.get("valueFrom", {})
        ]
    for volume in pod["volumes"]:
        secret = volume.pop("secret", None)
        if secret:
            assert secret["defaultMode"] == 0o440, secret
            files = secrets[secret["secretName"]]
            if "items" in secret:
                files = {item["path"]: files[item["key"]] for item in secret["items"]}
            folder = secret_folder(work, f"{owner}-{volume['name']}", files)
            volume["hostPath"] = {"path": folder, "type": "Directory"}
        elif "emptyDir" in volume:
            # Podman takes an emptyDir for a volume of that name, and two Pods would share it.
            name = f"{volume['name']}-{owner}"
            for mount in [mount for container in pod["containers"] for mount in container["volumeMounts"]]:
                if mount["name"] == volume["name"]:
                    mount["name"] = name
            volume["name"] = name


def adapt(objects, image, settings, secrets, work):
    """What podman plays: Deployments and their ConfigMaps and claims, and a Job as the Pod that it starts."""
    played = []
    for each in objects:
        name = each["metadata"]["name"]
        if each["kind"] == "ConfigMap":
            program = each["metadata"].get("labels", {}).get(NAME)
            if program not in settings:
                continue
            changes = {key: value and str(value) for key, value in (LIMITS[program] | settings[program]).items()}
            assert changes.keys() <= each["data"].keys(), f"the overlay does not set all of {changes.keys()}"
            each["data"] = {key: value for key, value in (each["data"] | changes).items() if value is not None}
        elif each["kind"] == "Deployment":
            each["spec"]["replicas"] = 1
            adapt_pod(each["spec"]["template"]["spec"], name, image, secrets, work)
        elif each["kind"] == "Job":
            pod = each["spec"]["template"]["spec"]
            adapt_pod(pod, name, image, secrets, work)
            each = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": pod}
        elif each["kind"] != "PersistentVolumeClaim":
            continue
        played.append(each)
    return played


def load(file):
    with open(file, encoding="utf-8") as text:
        return [each for each in yaml.safe_load_all(text) if each]


def prepare(work):
    """Refuses to work among the Pods of this machine, since `clean` removes every Pod that there is."""
    if os.path.dirname(os.environ.get("CONTAINERS_STORAGE_CONF", "")) != os.path.dirname(work):
        sys.exit("it removes every Pod, so it needs a storage of its own: CONTAINERS_STORAGE_CONF beside WORK")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))


def podman(*arguments, check=True):
    done = subprocess.run(["podman", *arguments], capture_output=True, text=True, timeout=120, check=False)
    if check and done.returncode != 0:
        raise SystemExit(f"podman {' '.join(arguments)} failed:\n{done.stdout}{done.stderr}")
    return done.stdout


def play(objects, work, name):
    file = os.path.join(work, name)
    write(file, yaml.safe_dump_all(objects))
    podman("kube", "play", "--network", "host", file)


def clean():
    podman("pod", "rm", "--all", "--force", "--time", "1", check=False)
    podman("volume", "rm", "--all", "--force", check=False)


def container(name):
    names = [line for line in podman("ps", "--all", "--format", "{{.Names}}").split() if line.endswith(f"-{name}")]
    assert len(names) == 1, f"one container of {name} was expected: {names}"
    return names[0]


def logs(name):
    done = subprocess.run(
        ["podman", "logs", "--tail", "30", container(name)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    return done.stdout.decode(errors="replace")


def ask(port, path, headers=None, tls=None):
    """The status and the body, or none when nobody listens; `tls` is a context and the name to ask for."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        if tls:
            context, name = tls
            connection.connect()
            connection.sock = context.wrap_socket(connection.sock, server_hostname=name)
        connection.request("GET", path, headers=headers or {})
        answer = connection.getresponse()
        return answer.status, answer.read()
    except (ConnectionError, TimeoutError, http.client.HTTPException):
        return None, b""
    finally:
        connection.close()


def await_ready(name, port):
    for _ in range(300):
        status, body = ask(port, "/readyz")
        if status == 200:
            return
        if json.loads(podman("inspect", container(name)))[0]["State"]["Status"] == "exited":
            break
        time.sleep(0.1)
    raise SystemExit(f"{name} did not become ready: {status} {body!r}\n{logs(name)}")


def check_confinement(name):
    """Not what was asked for, but what the kernel says about the process."""
    process = json.loads(podman("inspect", container(name)))[0]["State"]["Pid"]
    with open(f"/proc/{process}/status", encoding="ascii") as file:
        status = dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)
    with open(f"/proc/{process}/mountinfo", encoding="ascii") as file:
        root = next(line.split() for line in file if line.split()[4] == "/")
    found = {
        "users": set(status["Uid"].split()),
        "groups": set(status["Gid"].split()),
        "capabilities": int(status["CapEff"], 16) | int(status["CapBnd"], 16),
        "no new privileges": status["NoNewPrivs"].strip(),
        "root is read-only": "ro" in root[5].split(","),
    }
    expected = {
        "users": {str(USER)},
        "groups": {str(USER)},
        "capabilities": 0,
        "no new privileges": "1",
        "root is read-only": True,
    }
    assert found == expected, f"{name} runs otherwise: {found}"


def operate(program, work, settings, *arguments, check=True):
    """The operator's command, with nothing of the caller's environment but these settings."""
    environment = {"PATH": os.environ["PATH"], "HOME": work} | settings
    done = subprocess.run(
        [os.path.abspath(program), *arguments, "--token-file", os.path.join(work, "operator.token")],
        env=environment,
        cwd=work,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    if check and done.returncode != 0:
        raise SystemExit(f"rollcall {' '.join(arguments)} failed:\n{done.stdout}{done.stderr}")
    return done.stdout.strip() if check else done.returncode


def first_tokens(program, work, settings):
    """Makes the operator's token inside the container, a tenant with it, and gives a token that may provision."""
    token = podman("exec", container("directory-service"), "/usr/bin/directory-service", "init")
    write(os.path.join(work, "operator.token"), token)
    operate(program, work, settings, "tenant", "create", "default")
    # One with an end, so that there is a metric about that.
    issue = ("token", "issue", "--name", "entra", "--scope", "provision", "--expires", "90d")
    return operate(program, work, settings, *issue)


def check_scim(port, token, tls=None):
    """SCIM answers who has a token, and nobody else."""
    status, body = ask(port, "/scim/v2/Users?count=1", {"Authorization": f"Bearer {token}"}, tls)
    assert status == 200, f"SCIM answers {status}: {body!r}"
    assert json.loads(body)["totalResults"] == 0, body
    status, _ = ask(port, "/scim/v2/Users", tls=tls)
    assert status == 401, f"without a token SCIM answers {status}"


def check_stop(name, admin, busy=lambda: None):
    """SIGTERM: at once not ready, alive and at work through the drain, then an end by itself, and no failure."""
    stopped = container(name)
    os.kill(json.loads(podman("inspect", stopped))[0]["State"]["Pid"], signal.SIGTERM)
    begin = time.monotonic()
    while ask(admin, "/readyz")[0] == 200:
        assert time.monotonic() - begin < 1, f"{name} is still ready a second after SIGTERM"
        time.sleep(0.02)
    assert ask(admin, "/readyz")[0] == 503, f"{name} answers no /readyz during its drain"
    assert ask(admin, "/livez")[0] == 200, f"{name} is not alive during its drain"
    busy()
    code = podman("wait", stopped).strip()
    took = time.monotonic() - begin
    assert code == "0", f"{name} ended with {code}:\n{logs(name)}"
    assert DRAIN <= took < DRAIN + GRACE, f"{name} took {took:.1f} s to end, with a drain of {DRAIN} s"
    say(f"{name} ended {took:.1f} s after SIGTERM, with a drain of {DRAIN} s")
