"""Who is let in: promises of docs/reliability.md."""

import datetime as dt
import ipaddress
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from results.runs import run
from ui.served import Client, served

from sweepctl.errors import UsageError
from sweepctl.store import open_store
from sweepctl.ui.access import is_own_host
from sweepctl.ui.place import Place
from sweepctl.ui.server import Server


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    store = open_store(str(tmp_path_factory.mktemp("store")))
    run(store, "a", "queue")
    with served(store) as client:
        yield client


def test_it_listens_on_this_machine_alone(tmp_path: Path) -> None:
    server = Server(open_store(str(tmp_path)), Place(str(tmp_path)), "127.0.0.1", 0, _never)
    host, port = server._socket.getsockname()
    server._socket.close()
    assert host == "127.0.0.1"
    assert server.url.startswith(f"http://127.0.0.1:{port}/")


def _never() -> dt.datetime:
    raise AssertionError


@pytest.mark.parametrize("root", ["/", "/wrong/", "//", "/wrong/../", "/%2e%2e/"])
@pytest.mark.parametrize("path", ["", "events", "runs/a/", "runs/a/points", "runs/a/query?sql=SELECT+1", "nothing"])
def test_without_the_token_nothing_is_shown(client: Client, root: str, path: str) -> None:
    answer = client.get(path, root=root)
    assert answer.status == 403
    assert "The address lacks this server&#x27;s token." in answer.text
    assert client.root.strip("/") not in answer.text


def test_each_start_has_a_token_of_its_own(tmp_path: Path) -> None:
    tokens = set[str]()
    for _ in range(2):
        server = Server(open_store(str(tmp_path)), Place(""), "127.0.0.1", 0, _never)
        server._socket.close()
        tokens.add(server.url.split("/")[3])
    assert len(tokens) == 2
    assert all(len(token) >= 43 for token in tokens), "256 bits"


def test_the_token_is_compared_whole(client: Client) -> None:
    for root in (client.root[:-2] + "/", client.root.rstrip("/") + "x/", client.root.upper()):
        assert client.get(root=root).status == 403


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "", "localhost.evil"])
def test_another_host_is_refused_token_or_not(client: Client, host: str) -> None:
    answer = client.get(host=host)
    assert answer.status == 421
    assert "does not answer for the host" in answer.text


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.1:1", "localhost", "localhost:8080", "[::1]", "[::1]:80"])
def test_this_machine_has_several_names(host: str) -> None:
    assert is_own_host(host, "127.0.0.1")


def test_the_name_that_was_given_is_its_own_too() -> None:
    assert is_own_host("pc.lan:80", "pc.lan")
    assert not is_own_host("pc.lan:80", "127.0.0.1")


@pytest.mark.parametrize("host", ["0.0.0.0", "0", "::"])  # noqa: S104  what is tested
def test_on_all_addresses_it_prints_one_that_others_can_use(tmp_path: Path, host: str) -> None:
    (tmp_path / "runs").mkdir()
    if host == "::" and not socket.has_dualstack_ipv6():
        pytest.skip("this machine has no IPv6")
    with served(open_store(str(tmp_path)), host) as client:
        assert not ipaddress.ip_address(client.address[0]).is_unspecified
        assert client.get().status == 200


def test_a_name_that_is_not_its_own_is_told_of_ip_addresses(client: Client) -> None:
    assert "the IP address of this machine may stand for its name" in client.get(host="pc.lan").text


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD", "TRACE"])
def test_pages_are_only_read(client: Client, method: str) -> None:
    assert client.get(method=method).status == 405


@pytest.mark.parametrize("path", ["", "runs/a/", "runs/a/points", "nothing"])
def test_a_page_loads_nothing_and_nobody_frames_it(client: Client, path: str) -> None:
    headers = client.get(path).headers
    policy = headers["content-security-policy"].split("; ")
    assert policy[0] == "default-src 'none'"
    assert policy[1].startswith("style-src 'sha256-")
    assert policy[2].startswith("script-src 'sha256-")
    assert {"base-uri 'none'", "frame-ancestors 'none'", "connect-src 'self'", "form-action 'self'"} <= set(policy)
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cache-control"] == "no-store"
    assert headers["x-content-type-options"] == "nosniff"
    assert "server" not in headers


def test_a_port_that_is_taken_is_a_users_mistake(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(UsageError) as caught:
        Server(open_store(str(tmp_path)), Place(""), "127.0.0.1", taken.getsockname()[1], _never)
    assert "cannot listen on 127.0.0.1" in caught.value.message
