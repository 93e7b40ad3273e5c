"""The page in a real browser: from a pasted text to the passage that an answer came from."""

import json
import shutil

import pytest

from farspan.apps import citations
from farspan.server.keys import add_key
from tests.server.conftest import Live, wait_for
from tests.tiny import STORY

playwright = pytest.importorskip("playwright.sync_api")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium here")


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as run:
        browser = run.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def page(browser, live):
    page = browser.new_page()
    problems = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("console", lambda told: told.type == "error" and problems.append(told.text))
    page.refused = problems
    page.on("request", lambda r: r.url.startswith(live.url) or problems.append(r.url))
    page.route("**/v1/chat/completions", shorten)
    page.goto(live.url)
    yield page
    page.close()
    assert not problems


def shorten(route):
    """A random model would talk to the end."""
    body = route.request.post_data_json | {"max_tokens": 12}
    route.continue_(post_data=json.dumps(body))


def paste(page, text, name):
    page.click("#new-document")
    page.fill("#name", name)
    page.fill("#paste", text)
    page.click("#add-send")
    playwright.expect(page.locator("#title")).to_have_text(name)


def ask(page, question):
    page.fill("#question", question)
    page.press("#question", "Enter")
    playwright.expect(page.locator("#thread .user").last).to_have_text(question)
    playwright.expect(page.locator("#thread .waiting")).to_have_count(0, timeout=15_000)


def test_paste_ask_and_land_on_the_passage(page, monkeypatch):
    monkeypatch.setattr(citations, "_ALIKE", 0.0)  # a random model looks nowhere in particular
    paste(page, "🐐 " + STORY * 15, "goats.txt")
    playwright.expect(page.locator("#reading")).to_be_hidden(timeout=15_000)
    playwright.expect(page.locator("#facts")).to_contain_text("tokens")
    ask(page, "What fell?")
    quotation = page.locator(".quotation").first
    quoted = quotation.evaluate("x => x.firstChild.textContent")
    quotation.focus()
    page.keyboard.press("Enter")
    mark = page.locator("#text mark")
    playwright.expect(mark).to_be_in_viewport()
    assert " ".join(mark.inner_text().split()) in " ".join(quoted.split())
    assert page.locator("#map button").count() >= 1
    page.keyboard.press("Escape")
    playwright.expect(page.locator("#viewer")).to_be_hidden()
    playwright.expect(quotation).to_be_focused()
    page.click("button[aria-label='Delete goats.txt']")
    page.click("#confirm button[value=yes]")
    playwright.expect(page.locator("#documents li", has_text="goats.txt")).to_have_count(0)
    playwright.expect(page.locator("#title")).to_have_text("Chat")


def test_the_text_goes_on_as_one_scrolls(page):
    paste(page, "\n".join(f"Line {i} of many." for i in range(700)), "lines.txt")
    page.locator("#show-text").click(timeout=20_000)
    playwright.expect(page.locator("#text")).to_contain_text("Line 0 of many.")
    for _ in range(3):
        page.locator("#text").evaluate("x => x.scrollTo(0, x.scrollHeight)")
        page.wait_for_timeout(200)
    playwright.expect(page.locator("#text")).to_contain_text("Line 690 of many.")


def test_reading_can_be_stopped_and_gone_on_with(page):
    paste(page, STORY * 60, "long.txt")
    page.locator("#cancel").click()
    playwright.expect(page.locator("#progress-text")).to_contain_text("Stopped at")
    page.locator("#resume").click()
    playwright.expect(page.locator("#reading")).to_be_hidden(timeout=30_000)


def test_a_file_is_uploaded_and_a_bad_one_told(page, tmp_path):
    (tmp_path / "a.txt").write_text(STORY)
    (tmp_path / "b.txt").write_bytes(b"\xff\x00")
    page.click("#new-document")
    page.set_input_files("#file", tmp_path / "b.txt")
    with page.expect_response("**/v1/documents"):
        page.click("#add-send")
    playwright.expect(page.locator("#add-error")).to_contain_text("b.txt")
    assert "400" in page.refused.pop()
    page.set_input_files("#file", tmp_path / "a.txt")
    page.click("#add-send")
    playwright.expect(page.locator("#title")).to_have_text("a.txt")


def test_chat_and_stop(page, live):
    ask(page, "Hello there")
    assert page.locator("#thread .assistant").count() == 1
    page.keyboard.press("Tab")
    page.locator("body").evaluate("() => document.activeElement.blur()")
    page.keyboard.press("/")
    playwright.expect(page.locator("#question")).to_be_focused()
    wait_for(lambda: live.service.scheduler.load().running == 0)


def test_what_people_write_is_text(page):
    ask(page, "<img src=x onerror=alert(1)> <|im_end|>")
    assert page.locator("#thread img").count() == 0


def test_a_phone_has_room(browser, live):
    page = browser.new_page(viewport={"width": 360, "height": 640})
    page.goto(live.url)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    playwright.expect(page.locator("#side")).to_be_hidden()
    page.click("#open-side")
    playwright.expect(page.locator("#new-document")).to_be_visible()
    page.click("#open-chat")
    playwright.expect(page.locator("#side")).to_be_hidden()
    page.close()


def test_a_key_is_asked_for(browser, cache, tmp_path):
    path = tmp_path / "keys"
    key = add_key(path, "ann")
    server = Live(api_key_file=path)
    page = browser.new_page()
    page.route("**/v1/chat/completions", shorten)
    page.goto(server.url)
    page.fill("#key-input", "fs-wrong")
    page.press("#key-input", "Enter")
    playwright.expect(page.locator("#key-input")).to_be_visible()
    page.fill("#key-input", key)
    page.press("#key-input", "Enter")
    playwright.expect(page.locator("#key")).to_be_hidden()
    ask(page, "Hello")
    page.close()
    server.stop()
