"""Judges what checkov says about the rendered manifests.

security.py --plant DEV_YAML PLANTED_YAML   writes manifests in which nearly everything is wrong
security.py REPORT                          REPORT: checkov's JSON about the overlays and the planted file
"""

import json
import sys
from pathlib import Path

import yaml

# Rules about Pods that have to hold in production; each must have been looked at, so a rule that is gone is noticed.
MUST_PASS = {
    "CKV_K8S_8": "liveness probe",
    "CKV_K8S_9": "readiness probe",
    "CKV_K8S_10": "CPU request",
    "CKV_K8S_12": "memory request",
    "CKV_K8S_13": "memory limit",
    "CKV_K8S_14": "a fixed image",
    "CKV_K8S_16": "not privileged",
    "CKV_K8S_17": "not the node's processes",
    "CKV_K8S_18": "not the node's IPC",
    "CKV_K8S_19": "not the node's network",
    "CKV_K8S_20": "no privilege escalation",
    "CKV_K8S_21": "not the namespace default",
    "CKV_K8S_22": "read-only root",
    "CKV_K8S_23": "not root",
    "CKV_K8S_25": "no capability added",
    "CKV_K8S_26": "no port of the node",
    "CKV_K8S_28": "without NET_RAW",
    "CKV_K8S_29": "a security context for the Pod",
    "CKV_K8S_30": "a security context for the container",
    "CKV_K8S_31": "seccomp",
    "CKV_K8S_35": "secrets as files",
    "CKV_K8S_37": "all capabilities dropped",
    "CKV_K8S_38": "no token of the account",
    "CKV_K8S_40": "a high user id",
    "CKV_K8S_43": "the image by its digest",
    "CKV2_K8S_6": "a network policy for each Pod",
}
# What is not met on purpose, and why.
CPU = {"CKV_K8S_11": "no CPU limit: it would throttle the slowest answers"}
EXCEPTIONS = {
    "production.yaml": CPU,
    "production-migrate.yaml": CPU,
    "dev.yaml": CPU
    | {
        "CKV_K8S_15": "not pulled each time: the image is the developer's",
        "CKV_K8S_43": "no digest: the image is the developer's",
    },
}
PLANTED = "planted.yaml"
# Of MUST_PASS, what the planted file breaks.
FOUND = {8, 9, 10, 12, 13, 14, 16, 17, 18, 19, 20, 22, 23, 25, 26, 28, 29, 30, 31, 35, 37, 38, 40, 43}


def plant(source, target):
    with open(source, encoding="utf-8") as file:
        objects = [each for each in yaml.safe_load_all(file) if each and each["kind"] == "Deployment"]
    for each in objects:
        pod = each["spec"]["template"]["spec"]
        pod |= {"hostNetwork": True, "hostPID": True, "hostIPC": True}
        del pod["securityContext"], pod["automountServiceAccountToken"]
        for container in pod["containers"]:
            for key in ("readinessProbe", "livenessProbe", "resources"):
                del container[key]
            container["image"] = "rollcall:latest"
            container["ports"][0]["hostPort"] = container["ports"][0]["containerPort"]
            container["securityContext"] = {"privileged": True, "capabilities": {"add": ["SYS_ADMIN"]}}
            reference = {"secretKeyRef": {"name": "directory-keyring", "key": "keyring"}}
            container["env"] = [{"name": "KEYRING", "valueFrom": reference}]
        # A container without any security context: one rule is about that alone.
        del pod["containers"][0]["securityContext"]
        other = json.loads(json.dumps(pod["containers"][0])) | {"name": "other"}
        pod["containers"].append(
            other | {"securityContext": {"privileged": True, "capabilities": {"add": ["SYS_ADMIN"]}}}
        )
    with open(target, "w", encoding="utf-8") as file:
        yaml.safe_dump_all(objects, file)


def judge(report):
    with open(report, encoding="utf-8") as file:
        results = json.load(file)["results"]
    failed, passed = {}, {}
    for kind, found in (("failed_checks", failed), ("passed_checks", passed)):
        for each in results[kind]:
            found.setdefault(Path(each["file_path"]).name, {}).setdefault(each["check_id"], []).append(each["resource"])
    complaints = []
    for file, exceptions in EXCEPTIONS.items():
        for rule, resources in failed.get(file, {}).items():
            if rule not in exceptions:
                complaints.append(f"{file}: {rule} is not met by {', '.join(resources)}")
        for rule in exceptions.keys() - failed.get(file, {}).keys():
            complaints.append(f"{file}: {rule} is an exception for nothing")
    for rule in MUST_PASS.keys() - passed["production.yaml"].keys():
        complaints.append(f"production.yaml: nobody looked at {rule} ({MUST_PASS[rule]})")
    for number in FOUND:
        if f"CKV_K8S_{number}" not in failed[PLANTED]:
            complaints.append(f"CKV_K8S_{number} does not see what was planted for it")
    return complaints


if sys.argv[1] == "--plant":
    plant(sys.argv[2], sys.argv[3])
else:
    problems = judge(sys.argv[1])
    for problem in problems:
        print(problem)
    if problems:
        sys.exit(1)
    print(f"{len(MUST_PASS)} security rules are met; {len(FOUND)} of them found what was planted")
