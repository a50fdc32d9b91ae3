"""Drives everything that the gateway offers through scim2-client, a typed client that checks requests and responses.

Its models are built from the schemas that the system publishes. An answer that does not fit them, a status or content
type that RFC 7644 does not name, or an unknown attribute is an exception. What it cannot send goes through plain HTTP.
"""

import sys
from collections.abc import Callable
from typing import Any

from connect import http, typed
from okta import okta_like
from scim2_client import Me
from scim2_models import PatchOp, PatchOperation, Resource, ResourceType, Schema, SCIMException, SearchRequest

USER = "urn:ietf:params:scim:schemas:core:2.0:User"
GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group"
ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
BULK_REQUEST = "urn:ietf:params:scim:api:messages:2.0:BulkRequest"
STATUS = "urn:rollcall:params:scim:schemas:extension:status:2.0:User"
# Registered for this tenant by tests/conformance/run, from client.schema.json.
BADGE = "urn:example:params:scim:schemas:extension:badge:2.0:User"
NOBODY = "00000000-0000-7000-8000-000000000000"

scim = typed()
raw = http()
User: type[Resource[Any]]
Group: type[Resource[Any]]


def user(name: str, **more: Any) -> dict[str, Any]:
    """A user as one creates it."""
    extensions = [name for name in more if name.startswith("urn:")]
    return {
        "schemas": [USER, *extensions],
        "userName": f"{name}@example.com",
        "externalId": f"x-{name}",
        "displayName": name.title(),
        "name": {"givenName": name.title(), "familyName": "Byron"},
        "emails": [{"value": f"{name}@mail.example.com", "type": "work", "primary": True}],
        **more,
    }


def create_user(name: str, **more: Any) -> Any:
    return scim.create(User, user(name, **more))


def create_group(name: str, members: list[Any]) -> Any:
    body = {"schemas": [GROUP], "displayName": name, "members": [{"value": member.id} for member in members]}
    return scim.create(Group, body)


def patch(target: Any, *operations: dict[str, Any]) -> Any:
    """Sends a PATCH; If-Match too if the target is a resource with a version, rather than a model and an id."""
    model = type(target[0]) if isinstance(target[0], Resource) else target[0]
    return scim.modify(*target, PatchOp[model](operations=[PatchOperation(**operation) for operation in operations]))


def ask(model: Any = None, **parameters: Any) -> Any:
    """GET of a list."""
    return scim.query(model, SearchRequest(**parameters))


def refused(status: int, scim_type: str | None, call: Callable[[], Any]) -> None:
    """The server answers with this error, whose detail says something."""
    try:
        answer = call()
    except SCIMException as exception:
        error = getattr(exception, "error", None)
        assert error is not None, f"the client refused to send it: {exception}"
        assert (error.status, error.scim_type) == (status, scim_type), error
        assert error.detail, error
    else:
        raise AssertionError(f"it was accepted: {answer!r}")


def names(answer: Any) -> list[str]:
    return [resource.user_name.removesuffix("@example.com") for resource in answer.resources]


def discovery() -> None:
    global User, Group
    scim.discover()
    config = scim.provider.config
    for feature in (config.patch, config.bulk, config.filter, config.sort, config.etag):
        assert feature.supported is True, feature
    assert config.change_password.supported is False
    assert (config.bulk.max_operations, config.bulk.max_payload_size) == (1000, 4 * 1024 * 1024)
    assert 200 <= config.filter.max_results <= 1000, config.filter
    assert config.pagination.cursor is True and config.pagination.index is True
    assert config.pagination.default_pagination_method == "index"
    assert config.pagination.max_page_size == config.filter.max_results
    assert config.pagination.default_page_size <= config.pagination.max_page_size
    assert [scheme.type for scheme in config.authentication_schemes] == ["oauthbearertoken"]

    types = scim.query(ResourceType).resources
    assert sorted((kind.name, kind.endpoint) for kind in types) == [("Group", "/Groups"), ("User", "/Users")]
    extensions = {kind.name: {str(extension.schema_) for extension in kind.schema_extensions or []} for kind in types}
    assert extensions == {"User": {ENTERPRISE, STATUS, BADGE}, "Group": set()}, extensions
    schemas = {schema.id: schema for schema in scim.query(Schema).resources}
    assert set(schemas) == {USER, GROUP, ENTERPRISE, STATUS, BADGE}, set(schemas)
    for urn, schema in schemas.items():
        assert scim.query(Schema, urn).attributes == schema.attributes
    assert scim.query(ResourceType, "User").endpoint == "/Users"
    refused(404, None, lambda: scim.query(Schema, "urn:example:nothing"))
    refused(501, None, lambda: scim.query(Me))

    User, Group = scim.get_resource_model("User"), scim.get_resource_model("Group")


def life_of_a_user() -> None:
    ada = create_user("ada", title="Countess")
    assert ada.id and ada.meta.resource_type == "User"
    assert ada.meta.version.startswith('W/"') and ada.meta.created == ada.meta.last_modified
    assert str(ada.meta.location).endswith(f"/scim/v2/Users/{ada.id}")
    assert ada.active is True and ada.title == "Countess" and ada.emails[0].value == "ada@mail.example.com"
    refused(409, "uniqueness", lambda: scim.create(User, user("ADA")))
    refused(404, None, lambda: scim.query(User, NOBODY))

    read = scim.query(User, ada.id)
    assert (read.user_name, read.name.family_name, read.meta.version) == ("ada@example.com", "Byron", ada.meta.version)
    for term in (
        'userName eq "ADA@EXAMPLE.COM"',
        f'id eq "{ada.id}"',
        'externalId eq "x-ada" and active eq true',
        'emails[type eq "work" and value co "@mail."] and not (title pr and title ne "countess")',
        'name.familyName sw "by" and userName ew "A@example.com"',
    ):
        found = ask(User, filter=term)
        assert (found.total_results, [one.id for one in found.resources]) == (1, [ada.id]), term
    assert ask(User, filter='externalId eq "X-ADA"').total_results == 0, "externalId is case-exact"
    refused(400, "invalidFilter", lambda: ask(User, filter="active gt true"))

    read.title = "Lady"
    read.nick_name = "Ada"
    read.emails[0].value = "lady@mail.example.com"
    put = scim.replace(read)
    assert (put.title, put.nick_name, put.emails[0].value) == ("Lady", "Ada", "lady@mail.example.com")
    assert put.meta.version != ada.meta.version and put.meta.last_modified >= ada.meta.last_modified
    refused(412, None, lambda: scim.replace(ada))
    refused(412, None, lambda: scim.delete(ada))

    patched = patch(
        (put,),
        {"op": "replace", "path": "displayName", "value": "The Countess"},
        {"op": "add", "path": "phoneNumbers", "value": [{"value": "+44 20", "type": "work"}]},
        {"op": "replace", "path": 'emails[type eq "work"].value', "value": "ada@mail.example.com"},
        {"op": "remove", "path": "nickName"},
    )
    assert (patched.display_name, patched.nick_name) == ("The Countess", None)
    assert (patched.phone_numbers[0].value, patched.emails[0].value) == ("+44 20", "ada@mail.example.com")
    assert scim.query(User, ada.id) == patched
    refused(412, None, lambda: patch((put,), {"op": "replace", "path": "title", "value": "x"}))
    refused(400, "mutability", lambda: scim.modify(User, ada.id, one_operation(op="replace", path="id", value="x")))
    refused(400, "invalidPath", lambda: scim.modify(User, ada.id, one_operation(op="add", path="shoe", value="x")))
    refused(400, "noTarget", lambda: scim.modify(User, ada.id, one_operation(op="remove")))

    off = patch((User, ada.id), {"op": "replace", "path": "active", "value": False})
    assert off.active is False and off[User.get_extension_model(STATUS)].blocked is True

    assert scim.delete(off) is None
    refused(404, None, lambda: scim.query(User, ada.id))
    refused(404, None, lambda: scim.delete(User, ada.id))
    assert ask(User, filter='userName eq "ada@example.com"').total_results == 0


def one_operation(**operation: Any) -> dict[str, Any]:
    """A PATCH that the models would refuse to build; the client sends a dict as it is."""
    return {"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": [operation]}


def pages() -> None:
    people = ["page-a", "page-b", "page-c", "page-d", "page-e"]
    made = [create_user(name, nickName=name[-1] if name != "page-c" else None) for name in reversed(people)]
    every = {"filter": 'userName sw "page-"', "sort_by": "userName"}

    for start, count, expected in (
        (1, 2, people[:2]),
        (3, 2, people[2:4]),
        (5, 2, people[4:]),
        (9, 2, []),
        (-3, 1, people[:1]),
    ):
        page = (
            scim.query(User, {**every, "startIndex": start, "count": count})
            if start < 1
            else ask(User, **every, start_index=start, count=count)
        )
        assert names(page) == expected, (start, count, names(page))
        assert (page.total_results, page.items_per_page, page.start_index) == (5, len(expected), max(start, 1)), page
    none = ask(User, **every, count=0)
    assert (none.total_results, none.resources) == (5, []), none

    assert names(ask(User, **every, sort_order="descending")) == people[::-1]
    by_nick = {"filter": every["filter"], "sort_by": "nickName"}
    assert names(ask(User, **by_nick)) == ["page-a", "page-b", "page-d", "page-e", "page-c"], "who has none comes last"
    assert names(ask(User, **by_nick, sort_order="descending"))[0] == "page-c"

    walked, page = [], ask(User, **every, cursor="", count=2)
    assert page.previous_cursor is None
    while True:
        walked.append(names(page))
        if page.next_cursor is None:
            break
        page = ask(User, **every, cursor=page.next_cursor, count=2)
    assert walked == [people[:2], people[2:4], people[4:]], walked
    assert page.previous_cursor is not None
    back = ask(User, **every, cursor=page.previous_cursor, count=2)
    assert names(back) == people[2:4], names(back)
    searched = scim.search(User, SearchRequest(**every, cursor="", count=3))
    rest = scim.search(User, SearchRequest(**every, cursor=searched.next_cursor, count=3))
    assert names(searched) + names(rest) == people
    refused(400, "invalidCursor", lambda: ask(User, **every, cursor="nonsense", count=2))

    for one in made:
        scim.delete(User, one.id)


def projection() -> None:
    grace = create_user("grace", **{ENTERPRISE: {"department": "Navy", "costCenter": "7"}})
    only = scim.query(
        User, grace.id, SearchRequest(attributes=["userName", "name.familyName", f"{ENTERPRISE}:department"])
    )
    assert (only.user_name, only.name.family_name, only.name.given_name) == ("grace@example.com", "Byron", None)
    assert only.id == grace.id and only.emails is None and only.display_name is None
    extension = only[User.get_extension_model(ENTERPRISE)]
    assert (extension.department, extension.cost_center) == ("Navy", None)
    assert set(only.schemas) == {USER, ENTERPRISE}, only.schemas
    rest = ask(
        User, filter='userName eq "grace@example.com"', excluded_attributes=["emails", "name.givenName", "id"]
    ).resources[0]
    assert (rest.emails, rest.name.given_name, rest.name.family_name) == (None, None, "Byron")
    assert rest.id == grace.id, "what is always returned cannot be excluded"
    answer = scim.create(User, user("alan"), params={"attributes": "displayName"})
    assert answer.display_name == "Alan" and answer.user_name is None
    for one in (grace, answer):
        scim.delete(User, one.id)


def groups() -> None:
    people = [create_user(name) for name in ("kay", "lin", "mae")]
    kay, lin, mae = people
    group = create_group("Pioneers", [kay, lin])
    assert {member.value for member in group.members} == {kay.id, lin.id}
    assert all(str(member.ref).endswith(f"/Users/{member.value}") and member.type == "User" for member in group.members)
    unchanged = scim.query(group)
    assert unchanged is group, "nothing changed, so the answer was 304 and the object is the one that we have"

    added = patch((Group, group.id), {"op": "add", "path": "members", "value": [{"value": mae.id}]})
    assert added is None, "without attributes, a PATCH of a group answers 204"
    patch((Group, group.id), {"op": "remove", "path": f'members[value eq "{kay.id}"]'})
    read = scim.query(Group, group.id)
    assert {member.value for member in read.members} == {lin.id, mae.id}
    assert scim.query(Group, group.id, SearchRequest(excluded_attributes=["members"])).members is None
    assert [one.value for one in scim.query(User, mae.id).groups] == [group.id]
    for model, term, total in (
        (Group, f'members[value eq "{lin.id}"]', 1),
        (Group, f'members.value eq "{kay.id}"', 0),
        (Group, 'displayName eq "PIONEERS"', 1),
        (User, f'groups.value eq "{group.id}"', 2),
    ):
        assert ask(model, filter=term).total_results == total, term

    read.display_name = "Veterans"
    read.members = read.members[:1]
    put = scim.replace(read)
    assert (put.display_name, len(put.members)) == ("Veterans", 1)
    refused(
        400,
        "invalidValue",
        lambda: scim.create(Group, {"schemas": [GROUP], "displayName": "x", "members": [{"value": NOBODY}]}),
    )
    scim.delete(Group, group.id)
    assert scim.query(User, mae.id).groups is None
    for one in people:
        scim.delete(User, one.id)


def extensions() -> None:
    boss = create_user("boss")
    more = {"employeeNumber": "E-1", "department": "Ops", "manager": {"value": boss.id}}
    one = create_user("worker", **{ENTERPRISE: more})
    Enterprise = User.get_extension_model(ENTERPRISE)
    assert (one[Enterprise].department, one[Enterprise].manager.value) == ("Ops", boss.id)
    assert str(one[Enterprise].manager.ref).endswith(f"/Users/{boss.id}")
    assert set(one.schemas) == {USER, ENTERPRISE, STATUS}

    for term in (f'{ENTERPRISE}:employeeNumber eq "e-1"', f'{ENTERPRISE}:manager.value eq "{boss.id}"'):
        found = ask(User, filter=term)
        assert [user.id for user in found.resources] == [one.id], term
    patched = patch((one,), {"op": "replace", "path": f"{ENTERPRISE}:department", "value": "Sales"})
    assert (patched[Enterprise].department, patched[Enterprise].employee_number) == ("Sales", "E-1")
    whole = patch((patched,), {"op": "add", "path": ENTERPRISE, "value": Enterprise(division="North")})
    assert (whole[Enterprise].division, whole[Enterprise].department) == ("North", "Sales")
    gone = patch((User, one.id), {"op": "remove", "path": ENTERPRISE})
    assert gone[Enterprise] is None and ENTERPRISE not in gone.schemas
    for user in (one, boss):
        scim.delete(User, user.id)


def tenant_extension() -> None:
    badge = {"number": "B-1", "floors": [3, 1], "pin": "1815", "issued": "2026-01-31T12:00:00Z"}
    one = create_user("worker", **{BADGE: badge})
    Badge = User.get_extension_model(BADGE)
    assert (one[Badge].number, one[Badge].floors, one[Badge].pin) == ("B-1", [3, 1], None)
    assert set(one.schemas) == {USER, STATUS, BADGE}

    for term in (f'{BADGE}:number sw "b-"', f"{BADGE}:floors eq 3", f'{BADGE}:issued lt "2026-02-01T00:00:00Z"'):
        found = ask(User, filter=term)
        assert [user.id for user in found.resources] == [one.id], term
    assert ask(User, filter=f"{BADGE}:floors gt 3").total_results == 0
    only = scim.query(User, one.id, SearchRequest(attributes=[f"{BADGE}:number"]))
    assert (only[Badge].number, only[Badge].floors, only.user_name) == ("B-1", None, None)
    refused(409, "uniqueness", lambda: create_user("other", **{BADGE: {"number": "b-1"}}))
    for scim_type, operation in (
        ("invalidValue", {"op": "add", "path": f"{BADGE}:floors", "value": ["x"]}),
        ("mutability", {"op": "replace", "path": f"{BADGE}:issued", "value": "2027-01-31T12:00:00Z"}),
        ("invalidPath", {"op": "add", "path": f"{BADGE}:colour", "value": "red"}),
    ):
        refused(400, scim_type, lambda operation=operation: scim.modify(User, one.id, one_operation(**operation)))

    patched = patch(
        (one,),
        {"op": "replace", "path": f"{BADGE}:number", "value": "B-2"},
        {"op": "remove", "path": f"{BADGE}:floors"},
    )
    assert (patched[Badge].number, patched[Badge].floors) == ("B-2", None)
    patched[Badge].floors = [7]
    assert scim.replace(patched)[Badge].floors == [7]
    # It holds what is immutable, and RFC 7644 section 3.5.2.2 wants that refused.
    refused(400, "mutability", lambda: scim.modify(User, one.id, one_operation(op="remove", path=BADGE)))
    assert scim.query(User, one.id)[Badge].floors == [7]
    scim.delete(User, one.id)


def search() -> None:
    joan = create_user("joan")
    group = create_group("Joan's", [joan])
    both = scim.search(SearchRequest(filter='displayName sw "joan"', sort_by="id"))
    assert [(type(one).__schema__, one.id) for one in both.resources] == [(USER, joan.id), (GROUP, group.id)], both
    assert both.total_results == 2
    by_type = scim.search(SearchRequest(filter='meta.resourceType eq "Group" and displayName sw "joan"'))
    assert [one.id for one in by_type.resources] == [group.id]
    pages = scim.search(SearchRequest(filter='displayName sw "joan"', count=1, start_index=2))
    assert (pages.total_results, pages.items_per_page, pages.start_index) == (2, 1, 2)
    users = scim.search(User, SearchRequest(filter='userName sw "joan"', attributes=["userName"]))
    assert [(one.id, one.user_name, one.display_name) for one in users.resources] == [
        (joan.id, "joan@example.com", None)
    ]
    assert [one.id for one in scim.search(Group, SearchRequest(filter='displayName eq "joan\'s"')).resources] == [
        group.id
    ]
    scim.delete(Group, group.id)
    scim.delete(User, joan.id)


def bulk() -> None:
    old, leaver = create_user("old"), create_user("leaver")
    operations = [
        # The group comes first: its members are not there yet.
        {
            "method": "POST",
            "path": "/Groups",
            "bulkId": "team",
            "data": {
                "schemas": [GROUP],
                "displayName": "Team",
                "members": [{"value": "bulkId:new"}, {"value": old.id}],
            },
        },
        {"method": "POST", "path": "/Users", "bulkId": "new", "data": user("new")},
        {"method": "PUT", "path": f"/Users/{old.id}", "version": old.meta.version, "data": user("old", title="Put")},
        {
            "method": "PATCH",
            "path": "/Users/bulkId:new",
            "data": one_operation(op="add", path="title", value="Patched"),
        },
        {"method": "DELETE", "path": f"/Users/{leaver.id}", "version": leaver.meta.version},
        {"method": "POST", "path": "/Users", "bulkId": "double", "data": user("OLD")},
        {"method": "DELETE", "path": f"/Users/{NOBODY}"},
    ]
    done = scim.bulk({"schemas": [BULK_REQUEST], "Operations": operations}).operations
    assert [(one.method, one.bulk_id) for one in done] == [(one["method"], one.get("bulkId")) for one in operations]
    assert [one.status for one in done] == [201, 201, 200, 200, 204, 409, 404], done
    assert done[5].response.scim_type == "uniqueness" and done[5].response.status == 409
    assert all(one.response is None for one in done[:5])
    assert all(one.version.startswith('W/"') for one in done[:4])
    group_id, new_id = (str(done[index].location).rsplit("/", 1)[1] for index in (0, 1))

    group = scim.query(Group, group_id)
    assert {member.value for member in group.members} == {new_id, old.id}
    assert (scim.query(User, new_id).title, scim.query(User, old.id).title) == ("Patched", "Put")
    refused(404, None, lambda: scim.query(User, leaver.id))

    stopped = scim.bulk(
        {
            "schemas": [BULK_REQUEST],
            "failOnErrors": 1,
            "Operations": [
                {"method": "DELETE", "path": f"/Users/{NOBODY}"},
                {"method": "DELETE", "path": f"/Groups/{group_id}"},
            ],
        }
    ).operations
    assert [one.status for one in stopped] == [404], "after so many errors nothing more is done"
    ending = [
        {"method": "DELETE", "path": path} for path in (f"/Groups/{group_id}", f"/Users/{new_id}", f"/Users/{old.id}")
    ]
    ended = scim.bulk({"schemas": [BULK_REQUEST], "Operations": ending}).operations
    assert [one.status for one in ended] == [204, 204, 204]


def main() -> None:
    sections = [discovery, life_of_a_user, pages, projection, groups, extensions, tenant_extension, search, bulk]
    for section in sections:
        section()
        left = [ask(model).total_results for model in (User, Group)]
        assert left == [0, 0], f"{section.__name__} left {left} behind"
    checks = okta_like(raw)
    print(f"scim2-client: {len(sections)} sections and {checks} requests as Okta sends them succeed")


if __name__ == "__main__":
    sys.exit(main())
