"""What Okta's published SCIM 2.0 specification tests (a Runscope collection) ask of a server before Okta connects to
it: requests as they send them, and what they assert on the answers.
"""

import secrets
from typing import Any

import httpx2

USER = "urn:ietf:params:scim:schemas:core:2.0:User"
GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group"
ERROR = "urn:ietf:params:scim:api:messages:2.0:Error"
LIST = "urn:ietf:params:scim:api:messages:2.0:ListResponse"
PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp"


class Okta:
    """Okta's provisioning agent."""

    def __init__(self, http: httpx2.Client) -> None:
        self.http = http
        self.requests = 0

    def send(self, status: int, method: str, path: str, body: Any = None, **query: Any) -> dict[str, Any]:
        """Sends a request and gives the body of an answer with this status."""
        headers = {"Accept": "application/scim+json", "Content-Type": "application/scim+json; charset=utf-8"}
        answer = self.http.request(method, path, params=query, json=body, headers=headers)
        self.requests += 1
        assert answer.status_code == status, f"{method} {path} is {answer.status_code}: {answer.text}"
        if status == 204:
            assert not answer.content
            return {}
        assert answer.headers["content-type"].split(";")[0] == "application/scim+json"
        return answer.json()


def okta_like(http: httpx2.Client) -> int:
    """Runs it all and gives the number of requests."""
    okta = Okta(http)
    # The tests expect a server that has a user already.
    first = okta.send(201, "POST", "Users", user("okta.first"))
    users(okta)
    groups(okta)
    okta.send(204, "DELETE", f"Users/{first['id']}")
    return okta.requests


def user(name: str) -> dict[str, Any]:
    return {
        "schemas": [USER],
        "userName": f"{name}@atko.com",
        "name": {"givenName": name.title(), "familyName": "Runscope"},
        "emails": [{"primary": True, "value": f"{name}@atko.com", "type": "work"}],
        "displayName": f"Runscope {name}",
        "locale": "en-US",
        "externalId": f"00u{name}",
        "groups": [],
        "password": "1mz050nq",
        "active": True,
    }


def users(okta: Okta) -> None:
    some = okta.send(200, "GET", "Users", count=1, startIndex=1)
    assert some["schemas"] == [LIST] and len(some["Resources"]) == 1
    assert isinstance(some["itemsPerPage"], int) and isinstance(some["startIndex"], int) and some["totalResults"] >= 1
    shown = some["Resources"][0]
    assert shown["id"] and shown["name"]["familyName"] and shown["name"]["givenName"] and shown["userName"]
    assert shown["active"] is True and shown["emails"][0]["value"]

    same = okta.send(200, "GET", f"Users/{shown['id']}")
    for attribute in ("id", "userName", "active", "name", "emails"):
        assert same[attribute] == shown[attribute], attribute

    missing = okta.send(404, "GET", "Users/00919288221112222")
    assert missing["detail"] and missing["schemas"] == [ERROR] and missing["status"] == "404"

    for email in (f"abc{secrets.token_hex(8)}@atko.com", "Okta.Second@atko.com"):
        none = okta.send(200, "GET", "Users", filter=f'userName eq "{email}"')
        assert none["schemas"] == [LIST] and none["totalResults"] == 0 and not none.get("Resources")

    made = okta.send(201, "POST", "Users", user("okta.second"))
    assert made["active"] is True and made["id"] and made["schemas"][0] == USER
    assert made["name"] == {"givenName": "Okta.Second", "familyName": "Runscope"}
    assert made["userName"] == "okta.second@atko.com" and "password" not in made
    path = f"Users/{made['id']}"
    assert okta.send(200, "GET", path)["userName"] == "okta.second@atko.com"
    found = okta.send(200, "GET", "Users", filter='userName eq "OKTA.second@atko.com"', startIndex=1, count=100)
    assert (found["totalResults"], found["Resources"][0]["id"]) == (1, made["id"])

    taken = okta.send(409, "POST", "Users", user("okta.second"))
    assert taken["schemas"] == [ERROR] and taken["status"] == "409" and taken["scimType"] == "uniqueness"

    # Okta updates by PUT of the whole resource as it read it, `meta` and `groups` included.
    changed = okta.send(200, "GET", path) | {
        "displayName": "Renamed",
        "name": {"givenName": "Another", "familyName": "Name"},
    }
    put = okta.send(200, "PUT", path, changed)
    assert (put["displayName"], put["name"]) == ("Renamed", {"givenName": "Another", "familyName": "Name"})
    # And disables by PUT, or, by newer agents, with this PATCH.
    assert okta.send(200, "PUT", path, put | {"active": False})["active"] is False
    on = {"schemas": [PATCH], "Operations": [{"op": "replace", "value": {"active": True}}]}
    assert okta.send(200, "PATCH", path, on)["active"] is True
    off = {"schemas": [PATCH], "Operations": [{"op": "replace", "value": {"active": False}}]}
    assert okta.send(200, "PATCH", path, off)["active"] is False
    found = okta.send(200, "GET", "Users", filter='userName eq "okta.second@atko.com"')
    assert found["Resources"][0]["active"] is False, "who is off stays visible"
    okta.send(204, "DELETE", path)
    okta.send(404, "GET", path)


def groups(okta: Okta) -> None:
    people = [okta.send(201, "POST", "Users", user(name)) for name in ("okta.third", "okta.fourth")]
    empty = okta.send(200, "GET", "Groups", startIndex=1, count=100)
    assert empty["schemas"] == [LIST] and empty["totalResults"] == 0

    made = okta.send(201, "POST", "Groups", {"schemas": [GROUP], "displayName": "Test SCIMv2", "members": []})
    assert made["id"] and made["displayName"] == "Test SCIMv2" and not made.get("members")
    path = f"Groups/{made['id']}"
    assert okta.send(200, "GET", path)["id"] == made["id"]
    assert okta.send(200, "GET", "Groups", filter='displayName eq "Test SCIMv2"')["totalResults"] == 1

    # A push of the group's name repeats its id; then the members, each with their name.
    okta.send(
        204,
        "PATCH",
        path,
        {
            "schemas": [PATCH],
            "Operations": [{"op": "replace", "value": {"id": made["id"], "displayName": "Renamed SCIMv2"}}],
        },
    )
    members = [{"value": one["id"], "display": one["userName"]} for one in people]
    okta.send(
        204, "PATCH", path, {"schemas": [PATCH], "Operations": [{"op": "add", "path": "members", "value": members}]}
    )
    shown = okta.send(200, "GET", path)
    assert shown["displayName"] == "Renamed SCIMv2"
    assert {member["value"] for member in shown["members"]} == {one["id"] for one in people}
    okta.send(
        204,
        "PATCH",
        path,
        {"schemas": [PATCH], "Operations": [{"op": "remove", "path": f'members[value eq "{people[0]["id"]}"]'}]},
    )
    put = okta.send(
        200, "PUT", path, {"schemas": [GROUP], "id": made["id"], "displayName": "Put SCIMv2", "members": members[:1]}
    )
    assert [member["value"] for member in put["members"]] == [people[0]["id"]]
    missing = okta.send(404, "GET", "Groups/00919288221112222")
    assert missing["schemas"] == [ERROR] and missing["detail"]
    okta.send(204, "DELETE", path)
    okta.send(404, "GET", path)
    for one in people:
        okta.send(204, "DELETE", f"Users/{one['id']}")
