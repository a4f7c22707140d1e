"""Whatever the schema allows is answered as the schema says, and never with a 500, on both databases."""

from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import (
    content_type_conformance,
    not_a_server_error,
    response_schema_conformance,
    status_code_conformance,
)
from starlette.testclient import TestClient

EXAMPLES = 6
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
ENDS_THE_SESSION = {"/api/logout", "/api/users/{user_id}/disable", "/api/users/{user_id}/password"}


def _ask(operation: Any, client: TestClient) -> int:
    asked = 0

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy())
    def ask(case: Any) -> None:
        nonlocal asked
        asked += 1
        request = case.as_transport_kwargs(base_url="http://testserver")
        request.pop("cookies", None)
        request["headers"] = dict(request.get("headers") or {}) | {"X-Maitong": "1"}
        case.validate_response(client.request(**request), checks=CHECKS)

    ask()
    return asked


@pytest.mark.parametrize("role", ["ecg_reader", "sys_admin"])
def test_generated_requests_are_answered_as_promised(world, role: str) -> None:
    client = world.as_role(role)
    client.post("/api/exams/exam-1/claim")
    schema = schemathesis.openapi.from_dict(world.app.openapi())
    asked = {}
    for found in schema.get_all_operations():
        operation = found.ok()
        if operation.path not in ENDS_THE_SESSION:
            asked[operation.label] = _ask(operation, client)
    assert len(asked) >= 20
    assert client.get("/api/me").status_code == 200


@pytest.mark.parametrize(
    "word",
    ["\0", "a\0b", "\ud800", "💓" * 500, "'; DROP TABLE exam; --"],
    ids=["nul", "in", "half", "long", "sql"],
)
def test_characters_a_database_may_not_hold(world, reader, body, word: str) -> None:
    import json

    reader.post("/api/exams/exam-1/claim")
    sent = json.dumps({"body": body(findings=word, impression=[{"code": None, "text": word}])})
    answer = reader.put("/api/exams/exam-1/draft", content=sent, headers={"Content-Type": "application/json"})
    assert answer.status_code in (200, 422), answer.text
    name = {"username": word[:8], "password": word}
    login = world.browser().post(
        "/api/login", content=json.dumps(name), headers={"Content-Type": "application/json"}
    )
    assert login.status_code in (401, 422), login.text
