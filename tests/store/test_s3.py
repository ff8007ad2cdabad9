"""What only S3 can do wrong: lost replies, refusals, broken bodies, servers without conditions.

Faults are put in by an HTTP proxy before moto. Waits of botocore and of the store are taken out.
"""

import errno
import io
import os
import socket
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from http import HTTPStatus
from pathlib import Path
from uuid import uuid4

import pytest
from botocore.response import StreamingBody
from botocore.retries.standard import ExponentialBackoff
from botocore.stub import Stubber
from fakes.fault_proxy import Fault, FaultProxy
from fakes.servers import BUCKET, Server, moto_ignoring

from sweepctl.errors import ScratchError, StoreError
from sweepctl.store import Put, open_store, s3, s3_gets
from sweepctl.store.contract import MAX_OBJECT
from sweepctl.store.listing import Page
from sweepctl.store.s3 import S3Store, open_s3

KEY = "runs/run=r/run.parquet"
ALWAYS = 50


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ExponentialBackoff, "delay_amount", lambda *_: 0)


@pytest.fixture
def proxy(moto_server: Server) -> Iterator[FaultProxy]:
    with FaultProxy(moto_server.endpoint_url) as proxy:
        yield proxy


@pytest.fixture
def slept() -> list[float]:
    return []


@pytest.fixture
def store(proxy: FaultProxy, slept: list[float]) -> S3Store:
    return open_s3(BUCKET, f"faults/{uuid4()}", endpoint_url=proxy.url, sleep=slept.append)


def _body(store: S3Store) -> bytes | None:
    stored = store.read(KEY)
    return None if stored is None else stored.body


# Where the server had done it, botocore's own second try met the first one's success.
SETTLED = {
    Fault.DROP_BEFORE: Put.WRITTEN,
    Fault.UNAVAILABLE: Put.WRITTEN,
    Fault.TRUNCATE: Put.WRITTEN,  # a PUT's reply has no body
    Fault.DROP_AFTER: None,
    Fault.ERROR_AFTER: None,
}


@pytest.mark.parametrize(("fault", "put"), [*SETTLED.items(), (Fault.CONFLICT, Put.WRITTEN)])
def test_a_create_survives_a_fault(
    store: S3Store, proxy: FaultProxy, moto_server: Server, fault: Fault, put: Put | None
) -> None:
    proxy.schedule([fault])
    assert store.create(KEY, b"mine") is (put or Put.EXISTS)
    assert proxy.pending == []
    assert _body(store) == b"mine"
    assert len(moto_server.keys(store.url.removeprefix(f"s3://{BUCKET}/"))) == 1


@pytest.mark.parametrize(("fault", "put"), [*SETTLED.items(), (Fault.CONFLICT, Put.CHANGED)])
def test_a_replace_survives_a_fault(store: S3Store, proxy: FaultProxy, fault: Fault, put: Put | None) -> None:
    store.create(KEY, b"old")
    stored = store.read(KEY)
    assert stored is not None
    proxy.schedule([fault])
    assert store.replace(KEY, b"mine", stored.etag) is (put or Put.CHANGED)
    assert proxy.pending == []
    assert _body(store) == (b"old" if fault is Fault.CONFLICT else b"mine")


@pytest.mark.parametrize("fault", SETTLED)
def test_a_file_survives_a_fault(store: S3Store, proxy: FaultProxy, tmp_path: Path, fault: Fault) -> None:
    (tmp_path / "file").write_bytes(body := b"0123456789" * 200_000)
    proxy.schedule([fault])
    store.create(KEY, tmp_path / "file")
    assert _body(store) == body


@pytest.mark.parametrize("fault", SETTLED)
def test_a_read_survives_a_fault(store: S3Store, proxy: FaultProxy, tmp_path: Path, fault: Fault) -> None:
    store.create(KEY, body := b"0123456789" * 200_000)
    proxy.schedule([fault])
    assert _body(store) == body
    proxy.schedule([fault])
    assert store.fetch(KEY, tmp_path / "fetched")
    assert (tmp_path / "fetched").read_bytes() == body
    assert proxy.pending == []


@pytest.mark.parametrize("fault", SETTLED)
def test_many_reads_survive_a_fault(store: S3Store, proxy: FaultProxy, fault: Fault) -> None:
    keys = [f"a=b/{number}" for number in range(5)]
    for key in keys:
        store.create(key, key.encode() * 100)
    seen = len(proxy.log)
    assert list(store.bodies(keys)) == [key.encode() * 100 for key in keys]
    assert len(proxy.log) == seen + len(keys), "one request each"
    proxy.schedule([fault])
    assert list(store.bodies(keys)) == [key.encode() * 100 for key in keys]
    assert proxy.pending == []


@pytest.mark.parametrize("fault", SETTLED)
def test_many_listed_survive_a_fault(store: S3Store, proxy: FaultProxy, fault: Fault) -> None:
    keys = [f"a/{number}" for number in range(5)]
    for key in keys:
        store.create(key, b"body")
    seen = len(proxy.log)
    whole = list(store.objects("a/"))
    assert [entry.key for entry in whole] == keys
    assert len(proxy.log) == seen + 1
    proxy.schedule([fault])
    assert list(store.objects("a/")) == whole
    assert proxy.pending == []


def test_a_listing_in_parts_fails_if_one_does(store: S3Store, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = S3Store._listed

    def broken(self: S3Store, prefix: str, after: str) -> Iterator[Page]:
        if after == "a/2":
            raise StoreError("no answer", remedy=None)
        yield from (Page(page.entries[:1], is_last=False) for page in whole(self, prefix, after))

    for number in range(5):
        store.create(f"a/{number}", b"body")
    monkeypatch.setattr(S3Store, "_listed", broken)
    listed = store.objects("a/", ["a/0", "a/1", "a/2", "a/3"])
    assert [next(listed).key for _ in range(3)] == ["a/0", "a/1", "a/2"]
    with pytest.raises(StoreError, match="no answer"):
        next(listed)


def test_many_listed_are_listed_once_where_the_usual_way_takes_over(
    store: S3Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(5):
        store.create(f"a/{number}", b"body")
    whole = list(store.objects("a/"))
    gets = store._signed_gets
    assert gets is not None
    first = gets.page(store._prefix, "a/", "")
    assert first is not None
    pages = [Page(first.entries[:2], is_last=False), None]
    monkeypatch.setattr(gets, "page", lambda *_: pages.pop(0))
    assert list(store.objects("a/")) == whole
    assert pages == []


@pytest.mark.parametrize("answer", [b"", b"<a", b"<a/>", b"<a><Contents/><IsTruncated>false</IsTruncated></a>",
                                    b"<a><IsTruncated>true</IsTruncated></a>"])  # fmt: skip
def test_many_listed_by_a_server_that_answers_nonsense_go_the_usual_way(
    store: S3Store, monkeypatch: pytest.MonkeyPatch, answer: bytes
) -> None:
    gets = store._signed_gets
    assert gets is not None
    monkeypatch.setattr(gets, "_get", lambda *_: answer)
    assert gets.page("", "a/", "") is None


def test_many_reads_of_a_server_that_refuses_go_the_usual_way(
    store: S3Store, proxy: FaultProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(s3, "CONNECTIONS", 1)
    for number in range(20):
        store.create(str(number), b"body")
    proxy.schedule([Fault.UNAVAILABLE] * s3_gets.MOST_REFUSED)
    monkeypatch.setattr(S3Store, "_body", lambda self, key, most: self._signed_gets.get(self._prefix + key, most))
    assert set(store.bodies([str(number) for number in range(20)])) == {None}
    assert proxy.pending == []


def test_many_reads_without_credentials_say_what_is_missing(proxy: FaultProxy, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    with pytest.raises(StoreError, match="credentials"):
        list(open_s3(BUCKET, "", endpoint_url=proxy.url).bodies(["a"]))


@pytest.mark.slow
@pytest.mark.parametrize("fault", [Fault.STALL, Fault.STALL_AFTER])
def test_a_request_without_a_reply_is_sent_again(proxy: FaultProxy, fault: Fault) -> None:
    store = open_s3(BUCKET, f"faults/{uuid4()}", endpoint_url=proxy.url, read_timeout=1)
    proxy.schedule([fault])
    store.create(KEY, b"old")
    proxy.schedule([fault])
    stored = store.read(KEY)
    assert stored is not None
    proxy.schedule([fault])
    store.replace(KEY, b"mine", stored.etag)
    assert proxy.pending == []
    assert _body(store) == b"mine"


def test_a_body_that_always_breaks_off_is_never_returned(
    store: S3Store, proxy: FaultProxy, slept: list[float], tmp_path: Path
) -> None:
    store.create(KEY, b"0123456789")
    for read in (lambda: store.read(KEY), lambda: store.fetch(KEY, tmp_path / "fetched")):
        slept.clear()
        proxy.schedule([Fault.TRUNCATE] * ALWAYS)
        _refused(read, "Check the network")
        assert slept == list(s3.DELAYS)


def test_a_create_in_conflict_is_sent_again_with_growing_delay_and_a_bound(
    store: S3Store, proxy: FaultProxy, slept: list[float]
) -> None:
    proxy.schedule([Fault.CONFLICT] * 2)
    assert store.create(KEY, b"mine") is Put.WRITTEN
    assert slept == list(s3.DELAYS[:2])
    proxy.schedule([Fault.CONFLICT] * ALWAYS)
    _refused(lambda: store.create("other", b"mine"), "later")
    assert len(proxy.pending) == ALWAYS - 1 - len(s3.DELAYS)


@pytest.mark.parametrize(
    ("fault", "remedy"),
    [
        (Fault.UNAVAILABLE, "later"),
        (Fault.ERROR_AFTER, "later"),
        (Fault.DROP_BEFORE, "network"),
    ],
)
def test_a_server_that_stays_broken_is_told_after_bounded_tries(
    store: S3Store, proxy: FaultProxy, fault: Fault, remedy: str
) -> None:
    proxy.schedule([fault] * ALWAYS)
    _refused(lambda: store.create(KEY, b"mine"), remedy)
    assert len(proxy.pending) == ALWAYS - s3.REQUEST_ATTEMPTS
    _refused(lambda: store.read(KEY), remedy)


@pytest.mark.slow
def test_a_rival_between_a_lost_request_and_the_next_try_stays(
    store: S3Store, proxy: FaultProxy, moto_server: Server
) -> None:
    store.create(KEY, b"old")
    stored = store.read(KEY)
    assert stored is not None
    rival = open_store(store.url, endpoint_url=moto_server.endpoint_url)
    puts: list[Put] = []
    store._client.meta.events.register_first(
        "needs-retry.s3.PutObject", lambda **_: puts.append(rival.replace(KEY, b"rival", stored.etag))
    )
    proxy.schedule([Fault.DROP_BEFORE])
    assert store.replace(KEY, b"mine", stored.etag) is Put.CHANGED
    assert puts[0] is Put.WRITTEN
    assert _body(store) == b"rival"


@pytest.mark.parametrize("ignored", [["If-None-Match"], ["If-Match"], ["If-None-Match", "If-Match"]])
@pytest.mark.usefixtures("moto_server")
def test_a_server_without_conditions_is_refused(ignored: list[str]) -> None:
    with moto_ignoring(*ignored) as server:
        store = open_store(f"s3://{BUCKET}/{uuid4()}", endpoint_url=server.endpoint_url)
        with pytest.raises(StoreError, match="does not honour conditional writes") as caught:
            store.probe()
    assert f"({ignored[0]})" in caught.value.message
    assert "conditional writes" in str(caught.value.remedy)


@pytest.mark.parametrize(
    ("status", "after", "refused"),
    [(200, None, False), (409, None, False), (412, '"rival"', False), (412, '"mine"', True)],
)
def test_a_server_that_replaces_nothing_is_refused(
    store: S3Store, status: int, after: str | None, *, refused: bool
) -> None:
    with Stubber(store._client) as stub:
        _say_etag(stub, '"mine"')
        if status == HTTPStatus.OK:
            stub.add_response("put_object", {})
        else:
            stub.add_client_error("put_object", http_status_code=status)
        if after is not None:
            _say_etag(stub, after)
        if refused:
            _refused(store.probe_replacing, "a server with conditional writes")
        else:
            store.probe_replacing()
        stub.assert_no_pending_responses()


def test_a_server_whose_object_exists_and_is_missing_is_refused(store: S3Store) -> None:
    with Stubber(store._client) as stub:
        stub.add_client_error("get_object", "NoSuchKey")
        _refused(store.probe_replacing, "a server with conditional writes")


def _say_etag(stub: Stubber, etag: str) -> None:
    stub.add_response("get_object", {"Body": StreamingBody(io.BytesIO(), 0), "ETag": etag})


def test_a_server_that_knows_no_conditions_is_not_taken_for_overloaded(store: S3Store) -> None:
    with Stubber(store._client) as stub:
        stub.add_client_error("get_object", "NoSuchKey")
        stub.add_client_error("put_object", "NotImplemented", http_status_code=501)
        _refused(store.probe, "a server with conditional writes")


def test_the_endpoint_may_come_from_the_environment(moto_server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", moto_server.endpoint_url)
    open_store(f"s3://{BUCKET}/{uuid4()}").probe()


@pytest.mark.slow
def test_a_missing_bucket_is_told(moto_server: Server) -> None:
    store = open_store("s3://no-such-bucket/a", endpoint_url=moto_server.endpoint_url)
    for call in (store.probe, lambda: store.create(KEY, b""), lambda: store.replace(KEY, b"", '"0"')):
        _refused(call, "Create the bucket")


def test_missing_credentials_are_told(moto_server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    _refused(open_store(f"s3://{BUCKET}", endpoint_url=moto_server.endpoint_url).probe, "AWS_ACCESS_KEY_ID")


@pytest.mark.servers
@pytest.mark.parametrize(
    ("name", "remedy"), [("AWS_ACCESS_KEY_ID", "AWS_ACCESS_KEY_ID"), ("AWS_SECRET_ACCESS_KEY", "does not belong")]
)
def test_wrong_credentials_are_told(
    weed_server: Server, monkeypatch: pytest.MonkeyPatch, name: str, remedy: str
) -> None:
    monkeypatch.setenv(name, "wrong")
    store = open_store(f"s3://{BUCKET}/a", endpoint_url=weed_server.endpoint_url)
    for call in (store.probe, lambda: store.read(KEY), lambda: store.create(KEY, b"")):
        _refused(call, remedy)


def test_an_endpoint_that_is_not_there_is_told() -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))  # and never listens
        store = open_store(f"s3://{BUCKET}", endpoint_url=f"http://127.0.0.1:{held.getsockname()[1]}")
        _refused(store.probe, "endpoint")


def test_a_body_beyond_one_put_is_refused_before_it_is_sent(store: S3Store, proxy: FaultProxy, tmp_path: Path) -> None:
    with (tmp_path / "big").open("wb") as file:
        file.truncate(MAX_OBJECT + 1)
    _refused(lambda: store.create(KEY, tmp_path / "big"), "smaller shards")
    assert proxy.log == []


def test_nothing_is_ever_deleted_or_written_without_a_condition(
    store: S3Store,
) -> None:
    seen: list[tuple[str, bool]] = []

    def note(request: object, **_: object) -> None:
        headers, method = request.headers, str(request.method)  # type: ignore[attr-defined]
        seen.append((method, "If-None-Match" in headers or "If-Match" in headers))

    store._client.meta.events.register("before-send.s3", note)
    store.probe()
    store.create(KEY, b"a")
    stored = store.read(KEY)
    assert stored is not None
    store.replace(KEY, b"b", stored.etag)
    assert {(method, condition) for method, condition in seen if method != "GET"} == {("PUT", True)}


def test_a_borrowed_copy_lies_where_the_next_process_removes_it_if_this_one_is_killed(store: S3Store) -> None:
    store.create(KEY, b"body")
    with store.borrow(KEY) as path, store.scratch() as work:
        assert path is not None
        assert path.parent.parent == work.parent


def test_scratch_in_a_folder_that_another_user_took_is_refused(
    store: S3Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "gettempdir", lambda: str(tmp_path))
    (tmp_path / f"sweepctl-{os.getuid()}").mkdir(mode=0o777)
    (tmp_path / f"sweepctl-{os.getuid()}").chmod(0o777)
    store.create(KEY, b"body")
    for provide in (store.scratch, partial(store.borrow, KEY)):
        with pytest.raises(ScratchError, match="not a private directory of this user") as caught:
            provide().__enter__()
        assert "TMPDIR" in str(caught.value.remedy)


def test_a_disk_without_room_for_any_temporary_folder_is_told_as_such(
    store: S3Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def find_none() -> str:
        raise FileNotFoundError(errno.ENOENT, "No usable temporary directory found in ['/tmp']")

    monkeypatch.setattr(tempfile, "gettempdir", find_none)
    with pytest.raises(ScratchError, match="No usable temporary directory"):
        store.scratch().__enter__()


def test_a_fetch_that_cannot_be_written_is_told(store: S3Store, tmp_path: Path) -> None:
    store.create(KEY, b"body")
    _refused(lambda: store.fetch(KEY, tmp_path / "absent/file"), "Check the disk")


def _refused(call: Callable[[], object], remedy: str) -> None:
    with pytest.raises(StoreError) as caught:
        call()
    assert remedy in str(caught.value.remedy)
