"""The pages as they are without script: what they show, and what they say when they cannot."""

import html
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from threading import Event
from urllib.parse import quote

import pytest
from fakes.faulty import FaultyStore
from results.runs import run
from runs.test_status import RUN, file, key, outcome
from ui.served import Answer, Client, served
from waiting import wait_until

from sweepctl.compact.run import compact
from sweepctl.records import layout
from sweepctl.shard import commit
from sweepctl.store import open_store
from sweepctl.store.contract import Stored
from sweepctl.ui import runs

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a store with a run of twelve points, and one of which eight are there."""
    folder = tmp_path_factory.mktemp("store")
    store = open_store(str(folder))
    run(store, "whole", "queue")
    for shard_id in range(2):
        run(store, "half", "queue", shard_id, 3)
    commit.pin_run(store, RUN)
    file(store, outcome(0), outcome(1, "points"), outcome(2, "permanent"), outcome(3, "retryable"))
    return folder


@pytest.fixture(scope="module")
def client(folder: Path) -> Iterator[Client]:
    with served(open_store(str(folder))) as client:
        yield client


def text(answer: Answer) -> str:
    """Return what a reader sees."""
    body = re.sub(r"<(style|script|title)>.*?</\1>", "", answer.text, flags=re.DOTALL)
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", body)).split())


def points(client: Client, **fields: str) -> tuple[int, str, list[str]]:
    query = "&".join(f"{name}={quote(value)}" for name, value in fields.items())
    answer = client.get(f"runs/whole/points?{query}")
    rows = re.findall(r"<tr><td>(\d+)</td>", answer.text)
    return answer.status, text(answer), rows


def test_all_runs_are_listed_and_linked(client: Client) -> None:
    answer = client.get()
    assert answer.status == 200
    assert re.findall(r'href="runs/(\w+)/"', answer.text) == ["half", "whole", "r"]
    assert "standing still" in text(answer)


def test_a_run_that_is_whole(client: Client) -> None:
    said = text(client.get("runs/whole/"))
    assert "12 of 12 points done (100.0%)" in said
    assert "Means over all 12 points." in said
    assert "1 shard in point order" in said
    assert "No shard failed." in said
    assert re.search(r"whole queue · 12 points · \d{4}-\d\d-\d\d done All runs", said)


def test_an_answer_over_a_part_says_so(client: Client) -> None:
    said = text(client.get("runs/half/"))
    assert "8 of 12 points done (66.7%)" in said
    assert "Means over 8 of 12 points." in said
    assert "4 of 12 points (33.3 %) have no value" in said
    assert "8 of 12 points are recorded so far." in text(client.get("runs/half/points"))


def test_failures_are_shown_by_code_with_what_to_do(client: Client) -> None:
    said = text(client.get("runs/r/"))
    assert "1 shard may succeed on retry, 2 shards failed permanently." in said
    assert {"point_failed", "invalid_parameters", "engine_crashed"} <= set(said.split())
    assert "sweepctl retry r runs the failed shards again here" in said
    assert "1 complete, with failed points" in said


def test_another_metric_is_asked_for_by_its_name(client: Client) -> None:
    answer = client.get("runs/whole/?metric=utilisation")
    assert '<option value="utilisation" selected>' in answer.text
    assert "<h3>utilisation</h3>" in answer.text
    assert "this run has no metric 'nope'" in text(client.get("runs/whole/?metric=nope"))


def test_points_are_filtered_sorted_and_paged(client: Client) -> None:
    status, said, rows = points(client)
    assert (status, rows) == (200, [str(place) for place in range(12)])
    assert "All 12 points are recorded." in said
    _, said, rows = points(client, where="servers = 2 -- two", sort="point_index", order="desc")
    assert "The condition holds for 6 points; all 12 points are recorded." in said
    assert rows == sorted(rows, key=int, reverse=True)
    assert len(rows) == 6
    _, said, rows = points(client, page="2")
    assert rows == []
    assert "Page 2 of 1" in said


def test_a_heading_sorts_and_sorts_back(client: Client) -> None:
    answer = client.get("runs/whole/points?where=servers+%3D+2&sort=mean_wait")
    assert (
        'aria-sort="ascending"><a href="?where=servers+%3D+2&amp;sort=mean_wait&amp;order=desc">mean_wait'
        in answer.text
    )
    answer = client.get("runs/whole/points?sort=mean_wait&order=desc")
    assert 'aria-sort="descending"><a href="?sort=mean_wait">mean_wait' in answer.text


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"where": "nope = 1"}, "nope"),
        ({"where": "1) FROM read_csv('/etc/passwd'"}, "→"),
        ({"where": "servers = (SELECT 1"}, "→"),
        ({"sort": "nope"}, "points have no column 'nope'"),
        ({"sort": 'point_index" DESC; DROP TABLE x'}, "points have no column"),
        ({"page": "0"}, "'0' is not the number of a page."),
        ({"page": "-1"}, "is not the number of a page."),
        ({"page": "9" * 40}, "is not the number of a page."),
        ({"page": "9" * 5_000}, "is not the number of a page."),
        ({"page": "²"}, "is not the number of a page."),
        ({"where": "x" * 20_001}, "A statement may have 20,000 characters here."),
    ],
)
def test_a_wrong_question_about_points_is_a_clear_page(client: Client, fields: dict[str, str], problem: str) -> None:
    status, said, rows = points(client, **fields)
    assert status == 400
    assert rows == []
    assert problem == "→" or problem in said
    assert "Traceback" not in said


def test_sql_is_answered_with_the_first_rows(client: Client) -> None:
    said = text(client.get("runs/whole/query?sql=" + quote("SELECT servers, count(*) AS n FROM points GROUP BY 1")))
    assert "2 rows. Rows servers n" in said
    said = text(client.get("runs/whole/query?sql=" + quote("SELECT * FROM range(3000)")))
    assert "The first 1,000 rows; there are more." in said
    assert "No rows." in text(client.get("runs/whole/query?sql=" + quote("SELECT 1 WHERE false")))
    answer = client.get("runs/whole/query?sql=" + quote("SELECT repeat('x', 1000000) AS a, '<img src=x>' AS b"))
    assert len(answer.text) < 40_000
    assert "<td" in answer.text
    assert "<img" not in answer.text


def test_sql_over_a_part_of_a_run_says_so(client: Client, folder: Path, tmp_path: Path) -> None:
    some = "recorded of run r: 4 of 10 shards; see `sweepctl status r`"
    assert f"{some} 1 row." in text(client.get("runs/r/query?sql=SELECT+1"))
    assert f"{some} No rows." in text(client.get("runs/r/query?sql=SELECT+1+WHERE+false"))
    asked = "runs/whole/query?sql=SELECT+1"
    assert "recorded of run whole: 1 shard; total unknown" in text(client.get(asked))
    shutil.copytree(folder, tmp_path / "store")
    compact(store := open_store(str(tmp_path / "store")), "whole")
    with served(store) as of_compact:
        assert "recorded" not in text(of_compact.get(asked)), "only a run that is whole is compact"


@pytest.mark.parametrize(
    "statement",
    [
        "DROP VIEW points",
        "SELECT * FROM read_text('/etc/passwd')",
        "COPY points TO '/tmp/x.csv'",
        "SELECT 1; SELECT 2",
        "ATTACH '/tmp/x.db'",
        "SET memory_limit = '100GB'",
        "SELECT",
        "",
        "SELECT nope FROM points",
    ],
)
def test_sql_is_in_the_sandbox_of_query(client: Client, statement: str) -> None:
    answer = client.get("runs/whole/query?sql=" + quote(statement))
    assert answer.status == (400 if statement else 200)
    assert html.escape(statement) in answer.text


@pytest.mark.parametrize("path", ["runs/nope/", "runs/nope/points", "runs/nope/query?sql=SELECT+1", "runs/nope/events"])
def test_an_unknown_run_is_not_found(client: Client, path: str) -> None:
    answer = client.get(path)
    assert answer.status == 404
    assert "nope" in text(answer)
    assert "All runs" in text(answer)


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("runs/../../../etc/passwd", 404),
        ("runs/%2e%2e/", 400),
        ("runs/..%2f..%2fetc%2fpasswd/", 404),
        ("runs/a%00b/", 400),
        ("runs/a b/".replace(" ", "%20"), 400),
        ("runs/" + "x" * 500 + "/", 400),
        ("runs/%ff/", 400),
        ("style.css", 404),
        ("runs/whole", 404),
        ("//etc/passwd", 404),
    ],
)
def test_a_path_that_climbs_leads_nowhere(client: Client, path: str, status: int) -> None:
    answer = client.get(path)
    assert answer.status == status
    assert "root:" not in answer.text


def test_a_run_that_vanishes_is_not_found_and_the_others_are_there(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "store")
    with served(open_store(str(tmp_path / "store"))) as client:
        assert client.get("runs/whole/").status == 200
        shutil.rmtree(tmp_path / "store" / "runs" / "run=whole")
        assert client.get("runs/whole/points").status == 404
        assert client.get("runs/half/").status == 200


def test_a_damaged_file_is_named(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "store")
    (damaged,) = (tmp_path / "store" / "point_outcomes").glob("**/run=whole/shard-00000000.parquet")
    damaged.write_bytes(b"PAR1" + bytes(100))
    with served(open_store(str(tmp_path / "store"))) as client:
        for path in ("points", "query?sql=SELECT+mean_wait+FROM+points"):
            answer = client.get(f"runs/whole/{path}")
            assert answer.status == 503
            assert damaged.name in text(answer)
        page = client.get("runs/whole/")
        assert page.status == 200
        assert "12 of 12 points done" in text(page)
        assert damaged.name in text(page), "where the means would be"
        assert client.get("runs/half/points").status == 200


def test_a_store_that_is_not_there_is_a_clear_page(tmp_path: Path) -> None:
    store = open_store(str(tmp_path / "store"))
    with served(store) as client:
        assert client.get().status == 503
        assert client.get("runs/whole/").status == 404
        run(store, "whole", "queue")
        wait_until(lambda: client.get("runs/whole/").status == 200)


def test_a_store_that_is_silent_is_a_clear_page(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Silent(FaultyStore):
        def read(self, key: str) -> Stored | None:
            speaks.wait()
            return super().read(key)

    monkeypatch.setattr(runs, "PATIENCE", 0.1)
    speaks = Event()
    with served(Silent(open_store(str(folder)))) as client:
        for path in ("", "runs/r/", "runs/r/query"):
            answer = client.get(path)
            assert answer.status == 503
            assert "The store has not answered for 0.1 seconds." in text(answer)
        speaks.set()
        monkeypatch.setattr(runs, "PATIENCE", 30.0)
        wait_until(lambda: client.get("runs/half/").status == 200)


def test_an_outcome_that_cannot_be_read_is_told(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "store")
    (tmp_path / "store" / key(0)).write_bytes(b"no file")
    with served(open_store(str(tmp_path / "store"))) as client:
        assert "1 outcome cannot be read, and the map shows the shards as missing" in text(client.get("runs/r/"))


def test_the_report_is_the_one_of_the_command(client: Client) -> None:
    answer = client.get("runs/whole/report")
    assert answer.status == 200
    assert "every point exists exactly once" in text(answer).lower()
    assert "All runs · The run" in text(answer)
    assert re.findall(r'<a href="([^"]*)"', answer.text)[:2] == ["../../", "./"]
    own = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]*)"', answer.text)
    assert answer.headers["content-security-policy"] == f"{html.unescape(own[0])}; frame-ancestors 'none'"


def test_nothing_is_written(client: Client, folder: Path) -> None:
    def state() -> dict[str, tuple[int, int]]:
        return {str(each): (each.stat().st_mtime_ns, each.stat().st_size) for each in folder.rglob("*")}

    before = state()
    for path in ("", "runs/whole/", "runs/r/points", "runs/whole/query?sql=SELECT+1", "runs/half/report", "nope"):
        client.get(path)
    assert state() == before
    assert str(folder / layout.run_record("r")) in before
