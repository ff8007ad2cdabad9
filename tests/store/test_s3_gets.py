"""What comes of each kind of answer to a quick request; whether it is then asked for in the usual way is test_s3's."""

import datetime as dt
import socket
import ssl
import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from fakes.servers import BUCKET

from sweepctl.store.s3 import open_s3
from sweepctl.store.s3_gets import SignedGets

OK = b"HTTP/1.1 200 OK\r\n"
CLOSE = b""  # in place of an answer: the connection ends
LISTING = b"<r><IsTruncated>false</IsTruncated></r>"


class Scripted:
    """A server that answers with the next of its answers, whatever is asked; `connections` counts them."""

    def __init__(self, answers: Sequence[bytes], tls: ssl.SSLContext | None = None) -> None:
        self.answers = list(answers)
        self.connections = 0
        self.asked: list[bytes] = []
        self._tls = tls
        self._connection: socket.socket | None = None
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        while self.answers:
            taken, _ = self._socket.accept()
            self.connections += 1
            with taken, suppress(OSError):
                if self._tls is None:
                    self._answer(taken)
                else:
                    with self._tls.wrap_socket(taken, server_side=True) as wrapped:
                        self._answer(wrapped)

    def _answer(self, connection: socket.socket) -> None:
        self._connection = connection
        while self.answers and (request := connection.recv(1 << 16)):
            self.asked.append(request)
            answer = self.answers.pop(0)
            if answer == CLOSE:
                return
            connection.sendall(answer)
            if b"Content-Length: 9\r\n" in answer:
                return  # which it does not have

    def close(self) -> None:
        self.answers.clear()
        if self._connection is not None:
            with suppress(OSError):
                self._connection.shutdown(socket.SHUT_RDWR)  # or it would wait for the client, where a test fails
        with suppress(OSError):
            socket.create_connection(("127.0.0.1", self.port)).close()
        self._thread.join()
        self._socket.close()


@pytest.fixture
def opened() -> Iterator[list[Scripted]]:
    servers: list[Scripted] = []
    yield servers
    for server in servers:
        server.close()


@pytest.fixture
def serve(opened: list[Scripted], monkeypatch: pytest.MonkeyPatch) -> "Serve":
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    return Serve(opened)


class Serve:
    """Begins servers that the fixture ends."""

    def __init__(self, opened: list[Scripted]) -> None:
        self._opened = opened

    def __call__(self, *answers: bytes, tls: ssl.SSLContext | None = None) -> tuple[Scripted, SignedGets]:
        server = Scripted(answers, tls)
        self._opened.append(server)
        scheme = "http" if tls is None else "https"
        gets = open_s3(BUCKET, "", endpoint_url=f"{scheme}://localhost:{server.port}")._signed_gets
        assert gets is not None
        return server, gets


def plain(body: bytes) -> bytes:
    return OK + b"Content-Length: %d\r\n\r\n" % len(body) + body


def chunked(body: bytes) -> bytes:
    return OK + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n" % len(body) + body + b"\r\n0\r\n\r\n"


def test_answers_of_either_form_are_read_from_one_connection(serve: Serve) -> None:
    server, gets = serve(plain(b"abc"), chunked(b"abcd"), plain(b""), chunked(LISTING), plain(b"e"))
    assert [gets.get("a=b", 4) for _ in range(3)] == [b"abc", b"abcd", b""]
    page = gets.page("", "t/", "")
    assert page is not None
    assert page.is_last
    assert gets.get("k", 1) == b"e"
    assert server.connections == 1
    assert server.asked[0].startswith(b"GET /%s/a%%3Db HTTP/1.1\r\n" % BUCKET.encode())


@pytest.mark.parametrize(
    "answer",
    [
        plain(b"abcde"),
        chunked(b"abcde"),
        OK + b"Content-Length: 9\r\n\r\nabc",
        OK + b"Content-Length: 9\r\n\r\n",
        OK + b"\r\nabc",
        b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 206 Partial Content\r\nContent-Length: 1\r\n\r\na",
        b"nonsense\r\n\r\n",
    ],
    ids=[
        "too long",
        "too long in chunks",
        "broken off",
        "broken off at once",
        "of no length",
        "missing",
        "a part",
        "nonsense",
    ],
)
def test_what_is_not_a_whole_answer_is_none_and_its_connection_ends(serve: Serve, answer: bytes) -> None:
    server, gets = serve(answer, plain(b"abc"))
    # One that ends with its connection would wait for the next request.
    if answer.endswith(b"\r\n\r\nabc"):
        server.answers[0] = answer.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
    assert gets.get("k", 9 if b"Content-Length: 9" in answer else 4) is None
    assert gets.get("k", 4) == b"abc"
    assert server.connections == 2


def test_a_connection_that_was_closed_meanwhile_is_opened_again(serve: Serve) -> None:
    server, gets = serve(plain(b"abc"), CLOSE, plain(b"abcd"))
    assert [gets.get("k", 4) for _ in range(2)] == [b"abc", b"abcd"]
    assert (server.connections, gets._refused) == (2, 0)


def test_a_proxy_is_left_to_the_client(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    server, gets = serve(plain(b"abc"))
    assert gets.get("k", 4) is None
    assert server.connections == 0


def test_a_server_is_believed_only_with_a_certificate_of_the_bundle(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    own, other = (_certificate(tmp_path / name) for name in ("own", "other"))
    tls.load_cert_chain(own)
    for bundle, found in ((own, b"abc"), (other, None), (None, None)):
        if bundle is None:
            monkeypatch.delenv("AWS_CA_BUNDLE")
        else:
            monkeypatch.setenv("AWS_CA_BUNDLE", str(bundle))
        _, gets = serve(plain(b"abc"), tls=tls)
        assert gets.get("k", 4) == found


def _certificate(path: Path) -> Path:
    """Write a new key, and a certificate of localhost that it signs itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    text = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path.write_bytes(text + certificate.public_bytes(pem))
    return path
