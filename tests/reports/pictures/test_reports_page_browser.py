"""The page in a real browser: what a reader does with it, what hostile records cannot do, what never leaves it.

`FACEBENCH_PICTURE=docs/leaderboard.png pytest tests/reports/pictures/test_reports_page_browser.py -k picture` draws the
picture of the documentation anew.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from facebench.reports.board.leaderboard import board
from facebench.reports.formats import render
from facebench.reports.result import ledger
from made_up_boards import HOSTILE, everything, hostile, written

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: pip install -e '.[test]'")
expect = playwright.expect  # asks again and again without `eval`, which the page's policy forbids
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
PUBLISHED = Path(__file__).resolve().parents[3] / "reports" / "records"


@pytest.fixture(scope="module")
def browser() -> Iterator:
    found = next((path for name in NAMES if (path := shutil.which(name))), None)
    if found is None:
        pytest.skip(f"no browser: none of {', '.join(NAMES)} is there; on Debian, apt-get install chromium")
    with playwright.sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    return written(everything(), tmp_path_factory.mktemp("page") / "board.html")


@pytest.fixture
def visit(browser) -> Iterator:
    """Opens a page; afterwards nothing may have been requested, said on the console, refused or asked."""
    contexts, wrong = [], []

    def opened(address: str, **options):
        context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **options})
        contexts.append(context)
        context.set_default_timeout(60_000)
        page = context.new_page()
        page.on("console", lambda message: wrong.append(f"console: {message.text}"))
        page.on("pageerror", lambda error: wrong.append(f"error: {error}"))
        page.on("dialog", lambda dialog: (wrong.append(f"dialog: {dialog.message}"), dialog.dismiss()))

        def only_the_page(route) -> None:
            if route.request.url == address:
                route.continue_()
            else:
                wrong.append(f"request: {route.request.url}")
                route.abort()

        context.route("**/*", only_the_page)
        page.goto(address)
        page.wait_for_selector("html[data-ready]")
        return page

    yield opened
    for context in contexts:
        context.close()
    assert wrong == []


def labels(page) -> list[str]:
    return page.locator("#table tbody tr:not(.details):visible th button span").all_inner_texts()


def points(page) -> list[str]:
    return page.locator("#plane [data-row]").evaluate_all("dots => dots.map(d => d.getAttribute('aria-label'))")


def test_the_board_opens_on_the_largest_group_with_its_front_and_what_is_not_on_the_plane(visit, address) -> None:
    page = visit(address)
    assert labels(page) == ["original", "beta", "broken", "alpha", "gamma", "gan", "noise"]
    told = {text.partition(":")[0] for text in points(page)}
    assert told == {"original", "beta (on the front)", "alpha (on the front)", "broken", "gamma", "noise"}
    assert "gan" in page.locator("#apart").inner_text()
    assert page.locator("#apart li").count() == 1
    assert page.locator("#plane .mark-rule line").count() >= 2  # chance on either side
    assert "unreliable: judge on clear pairs" in page.locator("#table").inner_text()


def test_headings_sort_with_missing_numbers_last_either_way(visit, address) -> None:
    page = visit(address)
    heading = page.get_by_role("columnheader", name="worst leakage")
    heading.get_by_role("button").click()
    assert heading.get_attribute("aria-sort") == "ascending"
    assert labels(page) == ["broken", "noise", "alpha", "beta", "gamma", "original", "gan"]
    heading.get_by_role("button").press("Enter")
    assert heading.get_attribute("aria-sort") == "descending"
    assert labels(page) == ["original", "gamma", "beta", "alpha", "noise", "broken", "gan"]
    page.get_by_role("columnheader", name="method").get_by_role("button").click()
    assert labels(page) == sorted(labels(page))
    assert heading.get_attribute("aria-sort") == "none"


def test_the_filter_looks_into_names_parameters_and_marks_and_tells_how_many_are_left(visit, address) -> None:
    page = visit(address)
    for words, expected in {"ratio 0.75": ["gamma"], "UNRELIABLE": ["broken"], "nothing at all": []}.items():
        page.get_by_label("Filter").fill(words)
        assert labels(page) == expected
        assert page.locator("#count[aria-live=polite]").inner_text() == f"{len(expected)} of 7 rows"


def test_switches_change_front_dataset_and_recipe_and_never_mix_rows(visit, address) -> None:
    page = visit(address)
    page.get_by_role("combobox", name="Verification set").select_option(label="cfp_fp")
    page.get_by_role("combobox", name="Attacker").select_option(label="other_image")
    expect(page.locator('#plane [aria-label*="on the front"]')).to_have_count(1)
    assert [text for text in points(page) if "front" in text] == [
        "beta (on the front): accuracy 80 %, leakage 1 % (other_image)"
    ]
    page.get_by_role("combobox", name="Dataset").select_option(label="unmeasured")
    expect(page.locator("#plane [data-row]")).to_have_count(0)
    assert "no such leakage measured" in page.locator("#apart").inner_text()
    page.get_by_role("combobox", name="Dataset").select_option(label="celeba")
    expect(page.locator("#plane [data-row]")).to_have_count(1)
    assert labels(page) == ["delta"]
    page.get_by_role("combobox", name="Dataset").select_option(label="lfw")
    page.get_by_role("combobox", name="Recipe").select_option(index=1)
    expect(page.locator("#plane [data-row]").first).to_have_attribute("aria-label", re.compile("^epsilon"))
    assert labels(page) == ["epsilon"]


def test_a_point_shows_its_row_under_the_mouse_and_under_the_keyboard(visit, address) -> None:
    page = visit(address)
    beta = page.locator("#plane [aria-label^=beta]")
    beta.hover()
    assert page.locator("#tip").inner_text() == "beta (on the front): accuracy 80 %, leakage 5 % (ignorant)"
    assert page.locator("#table tr.lit").inner_text().startswith("beta")
    page.mouse.move(0, 0)
    assert page.locator("#tip").is_hidden()
    dots = page.locator("#plane [data-row]")
    assert dots.evaluate_all("all => all.filter(one => one.tabIndex === 0).length") == 1
    page.locator("#plane [data-row][tabindex='0']").focus()
    seen = []
    for _ in range(dots.count()):
        seen.append(page.locator("#tip").inner_text().partition(":")[0])
        page.keyboard.press("ArrowRight")
    assert seen[0] == "noise"
    assert len(set(seen)) == 6
    page.keyboard.press("Escape")
    assert page.locator("#tip").is_hidden()
    page.keyboard.press("Enter")
    page.wait_for_selector("tr.details:visible .chart svg")
    assert page.evaluate("document.activeElement.textContent") == "noise"


def test_an_opened_row_has_scores_curves_stages_checks_and_notes_of_every_seed(visit, address) -> None:
    page = visit(address)
    button = page.locator("#table").get_by_role("button", name="beta")
    assert page.locator(".chart").count() == 0  # made when they are looked at
    button.click()
    expect(page.locator(".details .chart svg")).to_have_count(2)
    text = page.locator("tr.details").inner_text()
    for expected in ("a note: seen", "passed: judge on clear pairs", "train", "loss", "cfp_fp", "created"):
        assert expected in text
    shown = page.get_by_role("region", name="By group").locator("tbody tr").all_inner_texts()
    assert [line.split("\t")[1:4] for line in shown] == [
        ["dark", "leak@1 ignorant", "30.0"],
        ["light", "leak@1 ignorant", "3.6"],
        ["small", "leak@1 ignorant", "0.0"],
        ["gap of 2 groups", "leak@1 ignorant", "26.4"],
    ]
    assert button.get_attribute("aria-expanded") == "true"
    button.click()
    assert page.locator("tr.details").is_hidden()
    page.locator("#table").get_by_role("button", name="alpha").click()
    expect(page.locator(".details .chart svg")).to_have_count(4)
    chart = page.locator("tr.details:visible .chart").first
    assert {"lfw, seed 0", "lfw, seed 1"} <= set(chart.locator("text").all_text_contents())


def test_files_are_saved_as_the_command_prints_them(visit, address) -> None:
    page = visit(address, accept_downloads=True)
    found = board(everything())
    for name, expected in {"CSV": render.csv(found), "JSON": render.json(found)}.items():
        with page.expect_download() as download:
            page.get_by_role("button", name=f"Save {name}").click()
        assert download.value.suggested_filename == f"leaderboard.{name.lower()}"
        assert Path(download.value.path()).read_bytes().decode() == expected


def test_colours_follow_the_system_or_the_reader_and_texts_can_be_read_in_both(visit, address) -> None:
    page = visit(address, color_scheme="dark")
    grounds = [page.evaluate("getComputedStyle(document.body).backgroundColor")]
    contrasts = [page.evaluate(CONTRAST)]
    page.get_by_role("combobox", name="Colours").select_option("light")
    grounds.append(page.evaluate("getComputedStyle(document.body).backgroundColor"))
    contrasts.append(page.evaluate(CONTRAST))
    assert grounds == ["rgb(20, 23, 27)", "rgb(255, 255, 255)"]
    for found in contrasts:
        assert {name: value for name, value in found.items() if value < (4.5 if name in TEXTS else 3)} == {}


TEXTS = ("--ink", "--soft", "--link", "--bad")
CONTRAST = """() => {
  const light = (colour) => {
    const probe = document.body.appendChild(document.createElement("i"));
    probe.style.color = colour;
    const rgb = getComputedStyle(probe).color.match(/[0-9.]+/g).map((v) => v / 255);
    probe.remove();
    const [r, g, b] = rgb.map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ratio = (a, b) => (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  const names = ["--ink", "--soft", "--link", "--bad", "--line", "--front", "--other", "--bound",
                 ...[1, 2, 3, 4, 5, 6, 7].map((n) => `--hue-${n}`)];
  const grounds = ["--paper", "--panel", "--lit"];
  return Object.fromEntries(names.map((name) => [name,
    Math.min(...grounds.slice(0, ["--ink", "--link"].includes(name) ? 3 : 2)
      .map((ground) => ratio(light(`var(${name})`), light(`var(${ground})`))))]));
}"""


@pytest.mark.parametrize("width", [360, 1280])
def test_the_page_itself_never_scrolls_sideways(visit, address, width: int) -> None:
    page = visit(address, viewport={"width": width, "height": 740})
    page.locator("#table").get_by_role("button", name="beta").click()
    expect(page.locator(".details .chart svg")).to_have_count(2)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.locator("#plane svg").evaluate("svg => svg.getBoundingClientRect().right") <= width


def test_all_controls_have_names_and_are_reached_by_the_tab_key(visit, address) -> None:
    page = visit(address)
    unnamed = page.locator("button, select:enabled, input, [tabindex='0']").evaluate_all(
        "all => all.filter(one => !(one.labels?.length || one.ariaLabel || one.textContent.trim() "
        "|| one.getAttribute('aria-labelledby'))).map(one => one.outerHTML)"
    )
    assert unnamed == []
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    reached = set()
    for _ in range(40):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.id || document.activeElement.textContent"))
    assert {
        "save-csv",
        "save-json",
        "theme",
        "dataset",
        "recipe",
        "set",
        "attack",
        "filter",
        "method",
        "beta *",
    } <= reached


def test_it_prints_light_without_controls_on_a_few_pages(visit, address, tmp_path: Path) -> None:
    page = visit(address, color_scheme="dark")
    page.emulate_media(media="print")
    assert page.get_by_label("Filter").is_hidden()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    printed = page.pdf(prefer_css_page_size=True, print_background=True)
    assert printed.startswith(b"%PDF")
    assert 1 <= printed.count(b"/Type /Page\n") <= 4


def test_hostile_records_are_text_and_nothing_more(visit, tmp_path: Path) -> None:
    address = written(hostile(), tmp_path / "hostile.html")
    page = visit(address)
    assert sorted(page.locator("#table tbody th button span").all_text_contents()) == sorted(HOSTILE)
    for button in page.locator("#table tbody th button").all():
        button.click()
    expect(page.locator(".details .chart svg")).to_have_count(len(HOSTILE))
    assert page.get_by_role("region", name="By group").count() == len(HOSTILE)
    assert page.locator("img, iframe, object, embed, a[href^=javascript], main script").count() == 0
    assert page.locator("script").count() == 4
    assert page.evaluate("Object.prototype.onerror ?? Object.keys(Object.prototype).length") == 0
    page.locator("#plane [data-row]").last.hover()
    assert "accuracy" in page.locator("#tip").inner_text()


def test_the_policy_stops_a_script_that_were_in_the_page_after_all(browser, address, tmp_path: Path) -> None:
    text = Path(address.removeprefix("file://")).read_text("utf-8")
    broken = tmp_path / "broken.html"
    broken.write_text(text.replace("</main>", "<script>document.title = 'in'</script><img src='http://x/'></main>", 1))
    page = browser.new_page()
    refused = []
    page.on("requestfailed", lambda request: refused.append((request.url, request.failure)))
    page.goto(broken.as_uri())
    page.wait_for_selector("html[data-ready]")
    assert page.title() == "facebench leaderboard"
    assert refused == [("http://x/", "csp")]
    page.close()


def test_the_published_records_make_a_picture(visit, tmp_path: Path) -> None:
    address = written(ledger.load(PUBLISHED), tmp_path / "board.html")
    page = visit(address)
    out = Path(os.environ.get("FACEBENCH_PICTURE") or tmp_path / "board.png")
    page.screenshot(path=out, clip={"x": 0, "y": 0, "width": 1280, "height": 1430}, full_page=True)
    assert out.stat().st_size < 300_000
    timing = json.loads(page.evaluate("JSON.stringify(performance.getEntriesByType('navigation')[0])"))
    print(f"loaded in {timing['loadEventEnd']:.0f} ms, {Path(address.removeprefix('file://')).stat().st_size:,} bytes")
