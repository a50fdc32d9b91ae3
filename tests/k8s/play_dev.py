"""Runs the dev overlay under podman: play_dev.py RENDERED_YAML IMAGE ROLLCALL WORK (see pods.py).

ROLLCALL is the operator's command. WORK is a folder that the caller removes.
"""

import base64
import os
import secrets
import sys

import pods


def main():
    rendered, image, rollcall, work = sys.argv[1:]
    work = os.path.abspath(work)
    pods.prepare(work)
    scim, grpc, directory_admin, gateway_admin = pods.free_ports(4)
    settings = {
        "directory-service": {
            "DIRECTORY_GRPC_LISTEN": f"127.0.0.1:{grpc}",
            "DIRECTORY_ADMIN_LISTEN": f"127.0.0.1:{directory_admin}",
        },
        "gateway": {
            "GATEWAY_HTTP_LISTEN": f"127.0.0.1:{scim}",
            "GATEWAY_ADMIN_LISTEN": f"127.0.0.1:{gateway_admin}",
            # The Service's name, which the program's resolver has to find.
            "GATEWAY_DIRECTORY_ENDPOINT": f"dns:///directory-service:{grpc}",
        },
    }
    keyring = {"directory-keyring": {"keyring": base64.b64encode(secrets.token_bytes(32)).decode() + "\n"}}
    try:
        pods.play(pods.adapt(pods.load(rendered), image, settings, keyring, work), work, "dev.yaml")
        pods.await_ready("directory-service", directory_admin)
        pods.await_ready("gateway", gateway_admin)
        for name in ("directory-service", "gateway"):
            pods.check_confinement(name)
        pods.say(f"both programs are ready, as {pods.USER}, without capabilities, on a root that they cannot write")

        token = pods.first_tokens(rollcall, work, {"ROLLCALL_GRPC_ENDPOINT": f"http://127.0.0.1:{grpc}"})
        pods.check_scim(scim, token)
        for name, admin in (("gateway", gateway_admin), ("directory-service", directory_admin)):
            status, body = pods.ask(admin, "/metrics")
            assert status == 200 and b"_build_info" in body, f"/metrics of {name} answers {status}"
        pods.say("init works inside, SCIM answers a token and refuses without one, metrics are there")

        pods.check_stop("gateway", gateway_admin, lambda: pods.check_scim(scim, token))
        pods.check_stop("directory-service", directory_admin)
    finally:
        pods.clean()


main()
