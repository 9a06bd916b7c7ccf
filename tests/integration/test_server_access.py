"""Who is let in, and the one shape of errors."""

from contextlib import suppress
from typing import Any

import httpx
import pytest
from websockets.exceptions import ConnectionClosed

from messaging.pages import OperatorHello
from messaging.rewards import ConsumerHello
from server.callers import Scope
from tests.reference.live_server import TOKEN, LiveServer


def is_problem(answer: httpx.Response, status: int) -> bool:
    body = answer.json()
    return (
        answer.status_code == status == body["status"]
        and answer.headers["content-type"] == "application/problem+json"
        and bool(body["title"] and body["detail"] and body["remedy"])
    )


def make_token(server: LiveServer, *scopes: str, **more: Any) -> dict[str, Any]:
    return dict(server.post("/tokens", {"name": "t", "scopes": scopes, **more}))


def test_every_error_has_the_one_shape(server: LiveServer) -> None:
    http = server.http
    assert is_problem(http.get("/api/v1/nothing"), 404)
    assert is_problem(http.put("/api/v1/labels"), 405)
    assert is_problem(http.get("/api/v1/labels", params={"limit": 5001}), 422)
    assert is_problem(http.get("/api/v1/sessions/nobody"), 404)
    assert is_problem(http.post("/api/v1/sessions", content=b"{"), 422)
    assert is_problem(http.post("/api/v1/sessions", json={"subject": "../x"}), 422)
    assert is_problem(http.post("/api/v1/sessions", json={"subject": "s", "item_set": "none"}), 404)
    assert is_problem(http.post("/api/v1/sessions", json={"subject": "s", "decoder": "none"}), 404)
    assert is_problem(http.get("/api/v1/labels", headers={"Authorization": "Bearer no"}), 401)
    assert is_problem(http.get("/api/v1/labels", headers={"Authorization": "Basic eA=="}), 401)
    assert is_problem(httpx.get(f"{http.base_url}/api/v1/labels".replace("//api", "/api")), 401)
    assert is_problem(http.get("/healthz", headers={"Host": "evil.example"}), 421)
    assert is_problem(http.post("/api/v1/login", content=b"x" * (1024 * 1024 + 1)), 413)


def test_wrong_items_are_named_by_line_and_nothing_is_kept(server: LiveServer) -> None:
    raw = (
        '{"item_id": "a", "responses": [{"response_id": "ra", "text": "one two"}]}\n\n{"item_id": "b"}\n'
        '{"item_id": "c", "responses": [{"response_id": "rc", "text": "x", "wrong": [1]}]}'
    )
    answer = server.http.post("/api/v1/items", params={"item_set": "broken"}, content=raw)
    assert is_problem(answer, 400)
    assert "line 3" in answer.json()["detail"]
    assert "line 4" in answer.json()["detail"]
    assert is_problem(server.http.get("/api/v1/items", params={"item_set": "broken"}), 404)


@pytest.mark.parametrize("scope", [s.value for s in Scope if s is not Scope.ADMIN])
def test_a_token_opens_what_its_scope_names(server: LiveServer, scope: str) -> None:
    token = make_token(server, scope)
    header = {"Authorization": f"Bearer {token['token']}"}
    for path, needed in (("/labels", "labels:read"), ("/sessions", "sessions:operate"), ("/tokens", "admin")):
        answer = server.http.get(f"/api/v1{path}", headers=header)
        assert answer.status_code == 200 if needed == scope else is_problem(answer, 403)
    for hello, needed in ((ConsumerHello(), "rewards:read"),):
        with server.peer("/ws/v1/rewards", hello, token=token["token"]) as peer:
            if needed == scope:
                peer.send('{"type": "clock_ping", "t0": 1}')
                peer.expect("clock_pong")
            else:
                code, seen = peer.goodbye()
                assert code == 4403
                assert scope not in seen[-1]["reason"]
    assert server.http.delete(f"/api/v1/tokens/{token['token_id']}").status_code == 204
    assert is_problem(server.http.get("/api/v1/labels", headers=header), 401)


def test_a_token_runs_out_and_is_never_shown_again(server: LiveServer) -> None:
    token = make_token(server, "admin", expires_at="2020-01-01T00:00:00Z")
    assert is_problem(server.http.get("/api/v1/labels", headers={"Authorization": f"Bearer {token['token']}"}), 401)
    assert token["token"] not in server.http.get("/api/v1/tokens").text


def test_the_cookie_opens_the_page_and_nothing_from_elsewhere(server: LiveServer) -> None:
    base = f"http://127.0.0.1:{server.port}"
    with httpx.Client(base_url=base) as page:
        assert is_problem(page.post("/api/v1/login", json={"token": "no"}), 401)
        answer = page.post("/api/v1/login", json={"token": TOKEN})
        cookie = answer.headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=strict" in cookie
        assert TOKEN not in cookie
        assert page.get("/api/v1/sessions").status_code == 200
        assert is_problem(page.post("/api/v1/sessions", json={"subject": "s"}), 403)
        assert is_problem(page.post("/api/v1/sessions", json={"subject": "s"}, headers={"Origin": "http://evil.example"}), 403)
        made = page.post("/api/v1/sessions", json={"subject": "s"}, headers={"Origin": base})
        assert made.status_code == 201, made.text
        value = f"rlhb_login={page.cookies['rlhb_login']}"
    path = f"/ws/v1/sessions/{made.json()['session_id']}/operator"
    for origin, code in (("http://evil.example", 4403), (base, None)):
        with server.peer(path, OperatorHello(), token=None, headers={"Cookie": value, "Origin": origin}) as peer:
            if code is None:
                peer.expect("state")
            else:
                assert peer.goodbye()[0] == code
    forged = value[:-1] + ("0" if value[-1] != "0" else "1")
    assert is_problem(httpx.get(f"{base}/api/v1/sessions", headers={"Cookie": forged}), 401)


def test_a_websocket_takes_the_token_in_its_hello(server: LiveServer) -> None:
    with server.peer("/ws/v1/rewards", ConsumerHello(token=TOKEN), token=None) as peer:
        peer.send('{"type": "clock_ping", "t0": 1}')
        peer.expect("clock_pong")
    for hello in (ConsumerHello(), ConsumerHello(token="no")):
        assert server.peer("/ws/v1/rewards", hello, token=None).goodbye()[0] == 4401


@pytest.mark.parametrize(
    "raw", ["", "{", "[]", '{"type": "hello"}', '{"type": "hello", "role": "king"}', b"\x00", '{"type":"hello","role":"consumer","x":1}', "[" * 100_000]
)
def test_what_is_no_message_is_refused_with_a_reason(server: LiveServer, raw: str | bytes) -> None:
    with server.peer("/ws/v1/rewards") as peer:
        peer.send(raw)
        code, seen = peer.goodbye()
    assert (code, seen[-1]["type"]) == (4400, "refused")
    assert seen[-1]["remedy"]


def test_a_message_over_the_limit_ends_the_connection(server: LiveServer) -> None:
    with server.peer("/ws/v1/rewards", ConsumerHello()) as peer:
        with suppress(ConnectionClosed):  # it may be closed while this is still being sent
            peer.send("x" * (16 * 1024 * 1024 + 1))
        assert peer.goodbye()[0] in (1009, 0)  # 0: the reset overtook the close frame
    assert server.http.get("/healthz").status_code == 200


def test_readiness_names_what_is_missing(server: LiveServer) -> None:
    answer = httpx.get(f"http://127.0.0.1:{server.port}/readyz")
    assert answer.status_code == 503
    assert set(answer.json()["reasons"]) == {"lab", "worker"}


def test_assets_never_leave_their_folder(server: LiveServer) -> None:
    for path in ("/assets/../__init__.py", "/assets/%2e%2e/index.html", "/assets//etc/passwd"):
        assert server.http.get(path).status_code == 404


def test_a_decoders_report_is_shown_where_it_was_written(server: LiveServer) -> None:
    folder = server.data_dir / "decoders" / "ours" / "1"
    folder.mkdir(parents=True)
    missing = server.http.get("/api/v1/decoders/ours/1/report.html")
    assert missing.status_code == 404
    (folder / "decoder.json").write_text("{}")
    assert "rlhb report ours@1" in server.http.get("/api/v1/decoders/ours/1/report.html").json()["remedy"]
    (server.data_dir / "reports").mkdir()
    (server.data_dir / "reports" / "ours-1.html").write_text("<p>é</p>", "utf-8")
    shown = server.http.get("/api/v1/decoders/ours/1/report.html")
    assert (shown.text, shown.headers["content-type"]) == ("<p>é</p>", "text/html; charset=utf-8")
    assert "default-src 'none'" in shown.headers["content-security-policy"]
    for wrong in ("/decoders/../1/report.html", "/decoders/ours/0/report.html", "/decoders/ours/x/report.html"):
        assert server.http.get(f"/api/v1{wrong}").status_code in (404, 422)
