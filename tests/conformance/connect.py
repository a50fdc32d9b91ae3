"""The running system that a program tests, as tests/conformance/run names it."""

import os
import sys

import httpx2
from scim2_client.engines.httpx2 import SyncSCIMClient


def http() -> httpx2.Client:
    """The SCIM endpoints of the tenant whose token is in SCIM_TOKEN, below the URL that is the first argument."""
    return httpx2.Client(
        base_url=sys.argv[1],
        headers={"Authorization": f"Bearer {os.environ['SCIM_TOKEN']}"},
        timeout=30,
        trust_env=False,
    )


def typed() -> SyncSCIMClient:
    """The same, typed; every check of requests and responses is on."""
    return SyncSCIMClient(
        http(),
        check_request_payload=True,
        check_response_payload=True,
        check_response_content_type=True,
        check_response_status_codes=True,
        raise_scim_errors=True,
    )
