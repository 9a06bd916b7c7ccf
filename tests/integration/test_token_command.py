"""`rlhb token` against a running server."""

import json
from typing import Any

import httpx
import pytest

from rlhb.commands.tokens import create, list_tokens, revoke
from rlhb.errors import CommandError
from tests.reference.live_server import TOKEN, LiveServer


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Any:
    server = LiveServer(tmp_path_factory.mktemp("server"))
    yield server
    server.stop()


def asked(live: LiveServer) -> dict[str, Any]:
    return {"server": f"http://127.0.0.1:{live.port}", "token": TOKEN}


def may_read(live: LiveServer, token: str) -> int:
    return httpx.get(f"http://127.0.0.1:{live.port}/api/v1/labels", headers={"Authorization": f"Bearer {token}"}).status_code


def test_a_token_is_shown_once_does_what_its_scope_says_and_counts_no_more_once_revoked(live: LiveServer, capsys: Any) -> None:
    create(["labels:read"], name="job", **asked(live))
    shown = capsys.readouterr()
    token = shown.out.strip()
    assert may_read(live, token) == 200
    assert token not in shown.err
    list_tokens(as_json=True, **asked(live))
    listed = capsys.readouterr().out
    assert token not in listed
    (row,) = [r for r in json.loads(listed) if r["name"] == "job"]
    assert row["scopes"] == ["labels:read"]
    assert row["expires_at"] > row["created_at"]
    with pytest.raises(CommandError, match="lacks the scope admin"):
        create(["labels:read"], server=asked(live)["server"], token=token)
    revoke(row["token_id"], **asked(live))
    revoke(row["token_id"], **asked(live))
    assert may_read(live, token) == 401
    list_tokens(**asked(live))
    assert "job" in capsys.readouterr().out


@pytest.mark.parametrize(("call", "words"), [(lambda a: revoke("none", **a), "no token 'none'"), (lambda a: create(["everything"], **a), "scopes")])
def test_what_cannot_be_done_is_one_sentence(live: LiveServer, call: Any, words: str) -> None:
    with pytest.raises(CommandError, match=words):
        call(asked(live))


def test_an_address_that_is_none_is_named() -> None:
    with pytest.raises(CommandError, match="no address of a server"):
        list_tokens(server="nonsense", token="t")
