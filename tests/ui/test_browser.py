"""The pages in a real browser, while two processes work on a run and one of them is killed."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from fakes.chromium import violations
from fakes.sweep_files import ENGINE, queue_sweep
from playwright.sync_api import Browser, Page, expect
from results.runs import run
from runs.test_status import RUN, file, outcome
from ui.served import Client, served
from waiting import LIMIT, wait_until

from sweepctl.shard import commit
from sweepctl.store import open_store

pytestmark = [pytest.mark.servers, pytest.mark.slow, pytest.mark.filterwarnings("default::DeprecationWarning")]

COMMAND = "from sweepctl.cli import main; main()"
SHARDS = 24
PATIENT = LIMIT * 1000  # milliseconds


def held_engine(folder: Path, shards: int) -> Path:
    """Write an engine that runs so many shards at once, and each further one when there is a file `free`."""
    path = folder / "held-engine"
    path.write_text(f"""#!/bin/sh
if [ "$1" = describe ]; then {ENGINE} describe | sed s/.again.:true,//; exit; fi
if [ "$1" = run ]; then
    number=1
    while ! mkdir {folder}/begun-$number 2> /dev/null; do number=$((number + 1)); done
    while [ ! -e {folder}/free ] && [ $number -gt {shards} ]; do
        kill -0 $PPID 2> /dev/null || exit
        sleep 0.05
    done
fi
exec {ENGINE} "$@"
""")
    path.chmod(0o755)
    return path


@contextmanager
def opened(browser: Browser, client: Client, path: str, **options: object) -> Iterator[Page]:
    """Open a page; at the end nothing was complained of, and only its server was asked."""
    told, asked = list[str](), list[str]()
    page = browser.new_page(**options)  # type: ignore[arg-type]
    page.on("console", lambda message: told.append(message.text))
    page.on("pageerror", lambda error: told.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.set_default_timeout(PATIENT)
    page.goto(client.url + path)
    yield page
    page.close()
    assert told == []
    assert all(url.startswith(client.url) or url == "data:," for url in asked)


def shows(page: Page, part: str, text: str) -> None:
    expect(page.locator(part)).to_contain_text(text, timeout=PATIENT)


def test_it_follows_a_run_of_two_processes_of_which_one_is_killed(browser: Browser, tmp_path: Path) -> None:
    store, engine = open_store(str(tmp_path / "store")), held_engine(tmp_path, 6)
    sweep = queue_sweep(tmp_path, 1, rates=str([0.1 * rate for rate in range(1, SHARDS // 4 + 1)]))
    command = ["run", str(sweep), "--run-id", "r", "--store", store.url, "--engine", str(engine)]
    start = [sys.executable, "-P", "-c", COMMAND, *command]
    with (
        served(store) as client,
        subprocess.Popen(start, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as first,
    ):
        wait_until(lambda: client.get("runs/r/").status == 200)
        with opened(browser, client, "runs/r/") as page:
            shows(page, "#live", "Updating.")
            with subprocess.Popen(start, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as second:
                shows(page, "#progress", "6 of 24 points done (25.0%)")
                shows(page, "#state", "under way")
                shows(page, ".legend", "6 succeeded")
                shows(page, ".legend", "18 no outcome yet")
                shows(page, "#means", "Means over 6 of 24 points.")
                first.kill()
                first.wait()
                (tmp_path / "free").touch()
                shows(page, "#progress", "24 of 24 points done (100.0%)")
                shows(page, "#state", "done")
                shows(page, ".legend", "24 succeeded")
                shows(page, "#means", "Means over all 24 points.")
                assert page.locator("#pace rect").count() > 0
                assert page.locator(".shard.missing").count() == 0
                assert second.wait() == 0


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """Serve a run that is whole, and one with failures of every kind."""
    store = open_store(str(tmp_path_factory.mktemp("store")))
    run(store, "whole", "queue")
    commit.pin_run(store, RUN)
    file(store, outcome(0), outcome(1, "points"), outcome(2, "permanent"), outcome(3, "retryable"))
    with served(store) as client:
        yield client


PAGES = {
    "runs": "",
    "a run": "runs/whole/",
    "failures": "runs/r/",
    "points": "runs/whole/points?sort=mean_wait",
    "a wrong condition": "runs/whole/points?where=nope",
    "a query": "runs/whole/query?sql=SELECT+*+FROM+points",
    "a report": "runs/whole/report",
}


@pytest.mark.parametrize("name", PAGES)
def test_everybody_can_read_them(browser: Browser, client: Client, name: str) -> None:
    page = browser.new_page()
    page.goto(client.url + PAGES[name])
    assert violations(page) == []
    page.close()


@pytest.mark.parametrize("name", PAGES)
def test_they_fit_a_narrow_screen(browser: Browser, client: Client, name: str) -> None:
    page = browser.new_page(viewport={"width": 390, "height": 800})
    page.goto(client.url + PAGES[name])
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.close()


def test_without_script_they_filter_sort_and_ask(browser: Browser, client: Client) -> None:
    with opened(browser, client, "runs/whole/points", java_script_enabled=False) as page:
        page.get_by_label("Condition in SQL").fill("servers = 2")
        page.get_by_role("button", name="Filter").click()
        shows(page, ".lead", "The condition holds for 6 points")
        page.get_by_role("link", name="mean_wait").click()
        expect(page.locator("th[aria-sort=ascending]")).to_have_text("mean_wait")
        shows(page, ".lead", "The condition holds for 6 points")
        page.get_by_role("link", name="Query").click()
        page.get_by_role("button", name="Run").click()
        shows(page, ".lead", "10 rows.")
        page.get_by_role("link", name="Run", exact=True).click()
        page.get_by_label("Metric").select_option("utilisation")
        page.get_by_role("button", name="Show").click()
        shows(page, "#means h3", "utilisation")
        assert page.locator("noscript").inner_text() == "Without script, pages do not update: reload them."


def test_by_keyboard_a_table_keeps_the_focus_when_it_is_replaced(browser: Browser, tmp_path: Path) -> None:
    store = open_store(str(tmp_path / "store"))
    commit.pin_run(store, RUN)
    file(store, outcome(0, "permanent"))
    with served(store) as client, opened(browser, client, "runs/r/") as page:
        shows(page, "#live", "Updating.")
        page.locator("#failures .scroll").focus()
        file(store, outcome(1, "points"))
        shows(page, "#failures", "point_failed")
        assert page.evaluate("document.activeElement.ariaLabel") == "Failed shards by error code"


def test_by_keyboard_a_link_keeps_the_focus_when_it_is_replaced(browser: Browser, tmp_path: Path) -> None:
    store = open_store(str(tmp_path / "store"))
    run(store, "first", "queue")
    with served(store) as client, opened(browser, client, "") as page:
        shows(page, "#live", "Updating.")
        page.get_by_role("link", name="first").focus()
        run(store, "second", "queue")
        shows(page, "#runs", "second")
        assert page.evaluate("document.activeElement.innerText") == "first"


def test_a_table_that_is_replaced_stays_where_it_was_scrolled_to(browser: Browser, tmp_path: Path) -> None:
    store = open_store(str(tmp_path / "store"))
    commit.pin_run(store, RUN)
    file(store, outcome(0, "permanent"))
    with served(store) as client, opened(browser, client, "runs/r/", bypass_csp=True) as page:
        page.add_style_tag(content=".scroll { width: 5rem; height: 2rem }")
        shows(page, "#live", "Updating.")
        table = "document.querySelector('#failures .scroll')"
        page.evaluate(f"{table}.scrollTo(9, 7)")
        file(store, outcome(1, "points"))
        shows(page, "#failures", "point_failed")
        assert page.evaluate(f"[{table}.scrollLeft, {table}.scrollTop]") == [9, 7]


def test_a_page_that_nobody_sees_asks_for_nothing(browser: Browser, client: Client) -> None:
    with opened(browser, client, "runs/whole/") as page:
        shows(page, "#live", "Updating.")
        page.evaluate("Object.defineProperty(document, 'hidden', { value: true, configurable: true })")
        page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
        assert page.evaluate("source") is None
        page.evaluate("delete document.hidden")
        page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
        assert page.evaluate("source !== null")
