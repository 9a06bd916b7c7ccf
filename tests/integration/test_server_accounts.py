"""Accounts, signing in, links for subjects, and where a server may listen: against a real server."""

import json
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.exceptions import ConnectionClosed

from messaging.pages import OperatorHello, SubjectHello
from messaging.settings import Settings
from rlhb.commands.accounts import create, disable, enable, list_accounts, password
from rlhb.errors import CommandError
from server.accounts.attempts import MOST_KEYS, PER_ACCOUNT, PER_ADDRESS, WINDOW_S, Attempts, TooMany
from server.errors import ServerError
from server.serving import check_exposure
from tests.integration.test_server_access import is_problem, make_token
from tests.integration.test_server_subjects import make
from tests.reference.live_server import TOKEN, LiveServer

SECRET = "correct horse battery"


def account(server: LiveServer, name: str, role: str = "operator") -> dict[str, Any]:
    return dict(server.post("/accounts", {"name": name, "role": role, "password": SECRET}))


def browser(server: LiveServer) -> httpx.Client:
    base = f"http://127.0.0.1:{server.port}"
    return httpx.Client(base_url=f"{base}/api/v1", headers={"Origin": base}, timeout=30)


def signed_in(server: LiveServer, name: str, secret: str = SECRET) -> httpx.Client:
    client = browser(server)
    answer = client.post("/login", json={"name": name, "password": secret})
    assert answer.status_code == 200, answer.text
    return client


def test_an_operator_signs_in_and_may_do_what_the_role_says(own_server: LiveServer) -> None:
    shown = account(own_server, "anna")
    assert set(shown) == {"name", "role", "created_at", "disabled_at"}
    assert SECRET not in own_server.http.get("/api/v1/accounts").text
    with browser(own_server) as client:
        answer = client.post("/login", json={"name": "Anna ", "password": SECRET})
        kept = answer.headers["set-cookie"].lower()
        assert "httponly" in kept
        assert "samesite=strict" in kept
        assert client.get("/me").json()["name"] == "anna"
        assert client.get("/sessions").status_code == client.get("/labels").status_code == 200
        assert is_problem(client.get("/tokens"), 403)
        assert is_problem(client.get("/accounts"), 403)
        assert is_problem(client.delete("/subjects/S1"), 403)
        assert is_problem(client.post("/subjects", json={"subject": "S1"}, headers={"Origin": "http://evil.example"}), 403)
        client.post("/logout")
        assert is_problem(client.get("/me"), 401)


def test_wrong_names_and_passwords_are_answered_alike(own_server: LiveServer) -> None:
    account(own_server, "anna")
    with browser(own_server) as client:
        answers = [client.post("/login", json={"name": n, "password": p}) for n, p in (("anna", "wrong"), ("nobody", SECRET), ("nobody:0", SECRET))]
    assert {(a.status_code, a.text) for a in answers} == {(401, answers[0].text)}
    wrong: list[dict[str, str]] = [{}, {"name": "anna"}, {"name": "anna", "password": SECRET, "token": TOKEN}]
    assert all(is_problem(own_server.http.post("/api/v1/login", json=body), 400) for body in wrong)


@pytest.mark.parametrize("change", [{"password": "another long password"}, {"disabled": True}, {"role": "admin"}])
def test_a_change_of_an_account_signs_it_out_everywhere(own_server: LiveServer, change: dict[str, Any]) -> None:
    account(own_server, "anna")
    with closing(signed_in(own_server, "anna")) as client:
        assert own_server.http.patch("/api/v1/accounts/anna", json=change).status_code == 200
        assert is_problem(client.get("/me"), 401)
        again = client.post("/login", json={"name": "anna", "password": change.get("password", SECRET)})
        assert again.status_code == (401 if "disabled" in change else 200)


def test_somebody_changes_their_own_password_with_the_old_one(own_server: LiveServer) -> None:
    account(own_server, "anna")
    with closing(signed_in(own_server, "anna")) as client:
        assert is_problem(client.post("/me/password", json={"old": "wrong", "new": "another long password"}), 401)
        assert is_problem(client.post("/me/password", json={"old": SECRET, "new": "short"}), 400)
        assert client.post("/me/password", json={"old": SECRET, "new": "another long password"}).status_code == 204
    signed_in(own_server, "anna", "another long password").close()
    assert is_problem(own_server.http.post("/api/v1/me/password", json={"old": SECRET, "new": SECRET}), 403)


def test_the_last_admin_stays(own_server: LiveServer) -> None:
    account(own_server, "root", "admin")
    for change in ({"disabled": True}, {"role": "operator"}):
        assert is_problem(own_server.http.patch("/api/v1/accounts/root", json=change), 409)
    account(own_server, "second", "admin")
    assert own_server.http.patch("/api/v1/accounts/root", json={"disabled": True}).status_code == 200
    assert is_problem(own_server.http.post("/api/v1/accounts", json={"name": "root", "role": "admin", "password": SECRET}), 409)
    assert is_problem(own_server.http.post("/api/v1/accounts", json={"name": "anna", "role": "admin", "password": "anna"}), 400)
    assert is_problem(own_server.http.post("/api/v1/accounts", json={"name": "a:b", "role": "admin", "password": SECRET}), 422)


def test_guessing_is_stopped_and_said_in_the_audit_log(own_server: LiveServer) -> None:
    account(own_server, "anna")
    with browser(own_server) as client:
        answers = [client.post("/login", json={"name": "anna", "password": "wrong"}).status_code for _ in range(PER_ACCOUNT)]
        assert set(answers) == {401}
        refused = client.post("/login", json={"name": "anna", "password": SECRET})
        assert is_problem(refused, 429)
        assert 0 < int(refused.headers["retry-after"]) <= WINDOW_S
    told = [e for e in own_server.get("/audit")["items"] if e["what"] == "sign-in failed"]
    assert len(told) == PER_ACCOUNT
    assert "wrong" not in json.dumps(told)


def test_attempts_are_counted_by_account_and_by_address_in_bounded_memory() -> None:
    attempts = Attempts()
    for k in range(PER_ADDRESS):
        attempts.check(f"name{k}", "here", 0.0)
        attempts.failed(f"name{k}", "here", float(k) / PER_ADDRESS)
    with pytest.raises(TooMany):
        attempts.check("somebody", "here", 1.0)
    attempts.check("somebody", "elsewhere", 1.0)
    attempts.check("somebody", "here", WINDOW_S + 2)
    for k in range(2 * MOST_KEYS):
        attempts.failed(None, f"address{k}", 2.0)
    assert len(attempts._failed) == MOST_KEYS


def test_a_link_opens_the_page_of_its_session_and_nothing_else(own_server: LiveServer) -> None:
    ours, other = make(own_server, "S1")["session_id"], make(own_server, "S2")["session_id"]
    link = own_server.post(f"/sessions/{ours}/link")
    token = link["path"].partition("?token=")[2]
    hello = SubjectHello(token=token, page_life="p1")
    with own_server.peer(f"/ws/v1/sessions/{ours}/subject", hello, token=None) as page:
        assert page.expect("welcome")["session_id"] == ours
    for path, first in ((f"/ws/v1/sessions/{other}/subject", hello), (f"/ws/v1/sessions/{ours}/operator", OperatorHello(token=token))):
        code, seen = refused(own_server, path, first)
        assert (code, seen) == (4403, "forbidden")
    for path in ("/labels", "/sessions", f"/sessions/{ours}", "/tokens"):
        assert is_problem(httpx.get(f"http://127.0.0.1:{own_server.port}/api/v1{path}", headers={"Authorization": f"Bearer {token}"}), 403)
    with browser(own_server) as client:
        assert f"path=/ws/v1/sessions/{ours}/subject" in client.post("/login", json={"token": token}).headers["set-cookie"].lower()
        assert is_problem(client.get("/me"), 401)  # an operator in the same browser stays who they were
    assert token not in own_server.http.get("/api/v1/tokens").text
    newer = own_server.post(f"/sessions/{ours}/link")
    assert newer["path"] != link["path"]
    assert refused(own_server, f"/ws/v1/sessions/{ours}/subject", hello) == (4401, "unauthorized")


def refused(server: LiveServer, path: str, hello: Any) -> tuple[int, str]:
    with server.peer(path, hello, token=None) as peer:
        code, seen = peer.goodbye()
    return code, seen[-1]["code"]


def test_the_command_line_makes_the_first_admin_without_a_server(tmp_path: Path, capsys: Any) -> None:
    secret = tmp_path / "secret"
    secret.write_text(SECRET + "\n")
    create("root", role="admin", password_file=secret, here=True, data_dir=tmp_path / "data")
    with pytest.raises(CommandError, match="already"):
        create("root", role="admin", password_file=secret, here=True, data_dir=tmp_path / "data")
    with pytest.raises(CommandError, match="no account"):
        create("root", role="king", password_file=secret, here=True, data_dir=tmp_path / "data")
    server = LiveServer(tmp_path / "data")
    try:
        asked: dict[str, Any] = {"server": f"http://127.0.0.1:{server.port}", "token": TOKEN}
        signed_in(server, "root").close()
        create("anna", password_file=secret, **asked)
        disable("anna", **asked)
        list_accounts(**asked)
        enable("anna", **asked)
        secret.write_text("another long password")
        password("anna", password_file=secret, **asked)
        signed_in(server, "anna", "another long password").close()
        assert "anna" in capsys.readouterr().out
        secret.write_text("")
        with pytest.raises(CommandError, match="empty"):
            create("bert", password_file=secret, **asked)
        with pytest.raises(CommandError, match="cannot be read"):
            create("bert", password_file=tmp_path / "none", **asked)
    finally:
        server.stop()


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost", "127.9.9.9"])
def test_loopback_needs_no_tls(host: str) -> None:
    check_exposure(Settings(host=host))


def test_another_address_needs_tls_or_a_word(tmp_path: Path) -> None:
    for host in ("0.0.0.0", "::", "192.168.1.5", "lab.example"):
        with pytest.raises(ServerError, match="without TLS"):
            check_exposure(Settings(host=host))
        check_exposure(Settings(host=host, insecure=True))
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    with pytest.raises(ServerError, match="both"):
        check_exposure(Settings(host="0.0.0.0", tls_cert=cert))
    with pytest.raises(ServerError, match="is not there"):
        check_exposure(Settings(host="0.0.0.0", tls_cert=cert, tls_key=key))
    cert.touch(), key.touch()
    check_exposure(Settings(host="0.0.0.0", tls_cert=cert, tls_key=key))


def test_a_scope_still_names_what_a_token_lacks(own_server: LiveServer) -> None:
    token = make_token(own_server, "labels:read")["token"]
    with own_server.peer("/ws/v1/sessions/x/operator", OperatorHello(token=token), token=None) as peer:
        try:
            assert peer.goodbye()[0] == 4403
        except ConnectionClosed:  # pragma: no cover
            pytest.fail("closed without a reason")
