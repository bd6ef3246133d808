"""The site that docs/conf.py makes of the notebooks and docstrings, in a real browser that can reach nothing but it.

Needs Chromium or Chrome: without one these tests are skipped, except where the environment variable CI is set.
"""

import functools
import html
import http.server
import os
import re
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from urllib.parse import unquote, urljoin, urlsplit

import nbformat
import pytest
from axe_playwright_python.base import AXE_FILE_PATH, AxeResults
from playwright.sync_api import sync_playwright

ROOT = Path(__file__).parents[1]
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "msedge")
PAGES = [
    "README.html",
    "CONTRIBUTING.html",
    "notebooks/README.html",
    "search.html",
    "genindex.html",
    *(f"notebooks/{path.stem}.html" for path in sorted((ROOT / "notebooks").glob("day_*.ipynb"))),
    *(f"docs/api/{path.stem}.html" for path in sorted((ROOT / "docs" / "api").glob("*.md"))),
]


def sphinx(source, out):
    """The command of CONTRIBUTING; returns its exit code and its warnings."""
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-c", "docs", ".", str(out)]
    result = subprocess.run(command, cwd=source, capture_output=True, text=True)
    of_tensorflow = re.compile("cudart_stub|absl::InitializeLog")
    return result.returncode, "\n".join(line for line in result.stderr.splitlines() if not of_tensorflow.search(line))


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The folder of the site, the exit code of its build, and the warnings."""
    out = tmp_path_factory.mktemp("build") / "site"
    return out, *sphinx(ROOT, out)


@pytest.fixture(scope="module")
def site(built):
    return built[0]


@pytest.fixture(scope="module")
def address(site):
    """Where the site is served, on this machine only."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=site))
    threading.Thread(target=server.serve_forever, args=[0.01], daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def browser():
    path = next(filter(None, map(shutil.which, NAMES)), None)
    if path is None:
        message = f"the browser tests need one of {', '.join(NAMES)} on the PATH"
        pytest.fail(message) if os.environ.get("CI") else pytest.skip(message)
    offline = ["--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1", "--disable-background-networking"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu", *offline])
        yield browser
        browser.close()


def left_behind(request):
    """A page that is left may still be loading its icon."""
    return request.failure == "net::ERR_ABORTED" and request.url.endswith("/_static/favicon.svg")


@pytest.fixture(scope="module")
def tab(browser, address, site):
    """One tab for all tests, as a reader has: a new one compiles every script again. And what goes wrong in it."""
    page, wrong = browser.new_context(base_url=address).new_page(), []
    shutil.copy(AXE_FILE_PATH, site)  # to be compiled once
    page.on("console", lambda message: message.type in ("error", "warning") and wrong.append(message.text))
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("requestfailed", lambda request: left_behind(request) or wrong.append(f"{request.url}: {request.failure}"))
    page.on("response", lambda response: response.status >= 400 and wrong.append(f"{response.url}: {response.status}"))
    page.on("request", lambda request: request.url.startswith((address, "data:")) or wrong.append(request.url))
    return page, wrong


@pytest.fixture
def page(tab):
    """The tab; at the end of the test nothing may have gone wrong in it."""
    page, wrong = tab
    page.set_viewport_size({"width": 1280, "height": 900})
    yield page
    page.evaluate("localStorage.clear()")
    found = wrong.copy()
    wrong.clear()
    assert found == []


def open_page(page, name):
    page.goto(name)  # and all that it loads
    page.evaluate("window.MathJax?.startup?.promise.then(() => true)")


def accessibility(page, options, *, within=None):
    """axe-core's report of what breaks its rules on the page or in some of its elements, '' if nothing does."""
    if not page.evaluate("'axe' in window"):
        page.add_script_tag(url=f"/{AXE_FILE_PATH.name}")
    run = """([within, options]) => axe.run(within ? {include: [[within]]} : document, options)
        .then(({violations}) => ({violations}))"""
    arguments = [within, {**options, "preload": False, "resultTypes": ["violations"]}]
    results = AxeResults(page.evaluate(run, arguments))
    if results.violations_count:
        page.wait_for_timeout(500)  # 0.3 s after the last change the theme lets the keyboard reach what scrolls
        results = AxeResults(page.evaluate(run, arguments))
    return results.generate_report() if results.violations_count else ""


# axe-core takes its time over thousands of parts that are alike: leave two of each kind in each page ...
THIN = """() => {
    const count = {}, superfluous = [], kept = new Set();
    const alike = "mjx-container, button.copybtn, pre span, code span, dt.sig :is(span, em)";
    for (const part of document.querySelectorAll(alike)) {
        const kind = [part.tagName, part.className, part.parentElement.className].join();
        count[kind] = (count[kind] || 0) + 1;
        count[kind] > 2 ? superfluous.push(part) : kept.add(part.closest("pre"));
    }
    for (const pre of document.querySelectorAll("pre")) if (!kept.has(pre)) pre.textContent = pre.textContent;
    for (const part of superfluous) part.matches("span, em") ? part.replaceWith(...part.childNodes) : part.remove();
}"""
# ... and look at the colours of each kind of text on the first page that has it.
OF_COLOURS = ["color-contrast", "link-in-text-block"]
MARK_NEW_KINDS = """known => {
    const seen = new Set(known), found = [];
    const background = e => {
        for (; e; e = e.parentElement) {
            const colour = getComputedStyle(e).backgroundColor;
            if (colour !== "rgba(0, 0, 0, 0)") return colour;
        }
    };
    for (const e of document.querySelectorAll("body *:not(mjx-container, mjx-container *)")) {
        if (![...e.childNodes].some(child => child.nodeType === Node.TEXT_NODE && child.data.trim())) continue;
        const style = getComputedStyle(e);
        const look = [style.color, getComputedStyle(e.parentElement).color, background(e), style.fontSize];
        const kind = [e.tagName, e.className, e.parentElement.className, ...look].join("|");
        if (seen.has(kind)) continue;
        seen.add(kind);
        found.push(kind);
        e.dataset.kind = "new";
    }
    return found;
}"""
OVERFLOW = """() => {
    const width = document.documentElement.clientWidth;
    if (document.documentElement.scrollWidth <= width) return [];
    const scrolls = e => e && (getComputedStyle(e).overflowX !== "visible" || scrolls(e.parentElement));
    const wide = [...document.querySelectorAll("body *")].filter(e => e.getBoundingClientRect().right > width + 1);
    return wide.filter(e => !scrolls(e.parentElement)).slice(0, 5).map(e => e.outerHTML.slice(0, 120));
}"""


@pytest.fixture(scope="module")
def known_kinds():
    return set()


def test_the_site_is_built_without_a_warning(built):
    _, code, warnings = built
    assert code == 0, warnings


@pytest.mark.parametrize("name", PAGES)
def test_page(name, page, known_kinds):
    """Complete without a network, no wider than a laptop or a phone, figures described, readable in light and dark."""
    open_page(page, name)
    for width in (1280, 390):
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate(OVERFLOW) == [], f"wider than {width} pixels"
    assert page.locator("mjx-merror").all_inner_texts() == []
    words = page.eval_on_selector_all("main img", "pictures => pictures.map(picture => picture.alt)")
    assert all(len(alt) >= 10 for alt in words), words
    page.evaluate(THIN)
    page.set_viewport_size({"width": 1280, "height": 900})
    rules = {"runOnly": ["wcag2a", "wcag2aa", "wcag21aa"], "rules": {rule: {"enabled": False} for rule in OF_COLOURS}}
    assert not (report := accessibility(page, rules)), report
    if new := page.evaluate(MARK_NEW_KINDS, list(known_kinds)):
        known_kinds.update(new)
        page.add_style_tag(content="* { transition: none !important }")  # no colour half-way between the themes
        for theme in ("light", "dark"):
            page.evaluate("theme => { document.documentElement.dataset.theme = theme }", theme)
            assert not (report := accessibility(page, {"runOnly": OF_COLOURS}, within="[data-kind=new]")), (
                f"{theme}: {report}"
            )


def test_the_home_page_is_found(page):
    page.goto("", wait_until="commit")  # it leads on at once
    page.wait_for_url("**/README.html")


def test_search_finds_the_forget_gate(page):
    open_page(page, "search.html?q=forget+gate")
    page.wait_for_selector("#search-results li a")
    results = [link.inner_text() for link in page.locator("#search-results li a").all()]
    assert any("Day 15" in result for result in results), results


class TestNotebook:
    """Day 15: its page is opened once, because these tests do not change what the others look at."""

    @pytest.fixture(scope="class", autouse=True)
    def opened(self, tab):
        open_page(tab[0], "notebooks/day_15_lstm.html")

    def test_a_copy_button_yields_the_text_of_the_cell(self, page):
        page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        notebook = nbformat.read(ROOT / "notebooks" / "day_15_lstm.ipynb", as_version=4)
        cells = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
        shown = page.locator("div.cell_input")
        assert shown.count() == len(cells)
        for number in (0, len(cells) // 2):
            shown.nth(number).hover()
            shown.nth(number).locator("button.copybtn").click()
            assert page.evaluate("navigator.clipboard.readText()").rstrip("\n") == cells[number]

    def test_every_cell_has_a_copy_button(self, page):
        assert page.locator("div.cell_input").count() == page.locator("div.cell_input button.copybtn").count() > 20

    def test_a_solution_is_folded_and_opens(self, page):
        solution = page.locator("details", has=page.locator("summary", has_text="Solution")).first
        code = solution.locator("pre").first
        assert not code.is_visible()
        solution.locator("summary").click()
        assert code.is_visible() and code.inner_text().strip()

    def test_maths_is_set_with_local_fonts(self, page):
        assert page.locator("mjx-container").count() > 20
        assert page.evaluate("document.fonts.ready.then(() => [...document.fonts].some(f => /MJX/.test(f.family)))")

    def test_the_notebook_can_be_downloaded(self, page, site):
        link = page.locator("a.btn-download-source-button").first.get_attribute("href")
        target = site / unquote(urlsplit(urljoin(page.url, link)).path).lstrip("/")
        assert target.read_bytes() == (ROOT / "notebooks" / "day_15_lstm.ipynb").read_bytes()


def test_the_reader_chooses_light_or_dark_and_keeps_it(page):
    open_page(page, "README.html")
    for mode in ("dark", "light"):
        page.locator("button.theme-switch-button:visible").click()
        page.locator(f"button.theme-change-button[data-mode={mode}]:visible").click()
        open_page(page, "CONTRIBUTING.html")
        assert page.evaluate("document.documentElement.dataset.theme") == mode


@pytest.mark.parametrize("name", PAGES)
def test_internal_links_lead_somewhere(name, site):
    for link in set(re.findall(r'<a [^>]*?href="([^"]+)"', text_of(site / name))):
        target = urlsplit(html.unescape(link))
        if target.scheme:
            continue
        path = (site / name).parent / unquote(target.path) if target.path else site / name
        assert path.exists(), f"{name} links to {link}"
        if target.fragment and path.suffix == ".html":
            assert unquote(target.fragment) in anchors(path.resolve()), f"{name} links to {link}"


@functools.cache
def text_of(path):
    return path.read_text(encoding="utf-8")


@functools.cache
def anchors(path):
    return {html.unescape(anchor) for anchor in re.findall(r' id="([^"]+)"', text_of(path))}


# --- bad input ----------------------------------------------------------------------------------------------------------


def dead_link(notebook):
    notebook.cells[0].source += "\n\nSee [the next day](day_99_nothing.ipynb)."


def dead_anchor(notebook):
    notebook.cells[0].source += "\n\nSee [below](#7.-No-such-section)."


def figure_without_words(notebook):
    for cell in notebook.cells:
        if "plt.show()" in cell.source:
            cell.source = cell.source.replace("title=", "label=").replace("xlabel=", "x=").replace("ylabel=", "y=")


SAYS = {
    dead_link: "day_01_dead_link.ipynb:10019: WARNING: 'myst' cross-reference target not found: 'day_99_nothing.ipynb'",
    dead_anchor: "day_01_dead_anchor.ipynb:10019: WARNING: 'myst' cross-reference target not found: '7.-No-such-section'",
    figure_without_words: "day_01_figure_without_words.ipynb, In [6]: the figure needs a title or 'alt'",
}


@pytest.fixture(scope="module")
def faulty(tmp_path_factory):
    """The warnings of one build over a faulty copy of the template for each fault, and a sound one."""
    project = tmp_path_factory.mktemp("faulty")
    for name in (
        "docs/conf.py",
        "docs/index.html",
        "docs/static/daybook.css",
        "docs/static/favicon.svg",
        "README.md",
        "CONTRIBUTING.md",
        "LICENSE",
    ):
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, project / name)
    shutil.copytree(ROOT / "tests", project / "tests", ignore=shutil.ignore_patterns("__pycache__"))
    (project / "docs" / "api").mkdir()
    (project / "docs" / "api" / "recommendation.md").write_text("# Text only\n", encoding="utf-8")
    (project / "README.md").write_text("# Home\n\nText.\n", encoding="utf-8")
    (project / "notebooks").mkdir()
    (project / "notebooks" / "README.md").write_text("# Map\n\nText.\n", encoding="utf-8")
    for plant in (*SAYS, None):
        notebook = nbformat.read(ROOT / "notebooks" / "template.ipynb", as_version=4)
        if plant:
            plant(notebook)
        name = f"day_01_{plant.__name__ if plant else 'sound'}.ipynb"
        nbformat.write(notebook, project / "notebooks" / name)
    return project, *sphinx(project, project / "build" / "site")


@pytest.mark.parametrize("plant", SAYS, ids=lambda plant: plant.__name__)
def test_the_build_says_which_file_and_where(plant, faulty):
    _, code, warnings = faulty
    assert code == 1
    assert SAYS[plant] in warnings


def test_the_build_accepts_what_is_sound(faulty):
    assert "day_01_sound" not in faulty[2]


def test_a_notebook_that_is_no_json_is_named(faulty):
    project, _, _ = faulty
    path = project / "notebooks" / "day_01_sound.ipynb"
    path.write_text(path.read_text(encoding="utf-8")[:2000], encoding="utf-8")
    code, warnings = sphinx(project, project / "build" / "site")
    assert code != 0 and "day_01_sound" in warnings
