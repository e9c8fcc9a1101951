"""A real Chromium without a window, and what a person does with it on MLflow's pages. Stock Selenium, Debian's driver."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar
from urllib.parse import quote, urlsplit

import pytest
from selenium.common.exceptions import StaleElementReferenceException, TimeoutException
from selenium.webdriver import Chrome, ChromeOptions, ChromeService
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait

T = TypeVar("T")
WAIT_SECONDS = 60
FLAGS = (
    "--headless=new",
    "--no-sandbox",  # as root, as in CI, Chromium's own does not start
    "--disable-gpu",
    "--disable-dev-shm-usage",  # containers have 64 MB of it
    "--window-size=1280,1400",
    "--no-first-run",
    # Nothing leaves this machine, and no name is looked up.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
    "--no-proxy-server",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@dataclass(frozen=True)
class Browser:
    """One person's browser on one MLflow.

    Args:
        driver: Stock Selenium.
        url: Of the server.
    """

    driver: Chrome
    url: str

    def sign_in(self, name: str, password: str) -> None:
        """Enter a password, which the browser keeps for this server; without a window there is no dialog for it.

        The pages are opened by their plain address afterwards: from one with a password a page can fetch nothing.
        """
        parts = urlsplit(self.url)
        self.driver.get(f"{parts.scheme}://{quote(name)}:{quote(password)}@{parts.netloc}/")
        self.driver.get("about:blank")

    @property
    def text(self) -> str:
        """What can be read on the page."""
        return self.driver.find_element(By.TAG_NAME, "body").text

    def wait_for(self, look: Callable[[Chrome], T | Literal[False]], missing: str) -> T:
        """Look until there is something; the page draws some of its elements twice, and the first is stale then."""
        waiting = WebDriverWait(self.driver, WAIT_SECONDS, ignored_exceptions=[StaleElementReferenceException])
        try:
            return waiting.until(look)
        except TimeoutException:
            pytest.fail(f"{missing} on the page:\n{self.text}")

    def find(self, by: str, what: str) -> WebElement:
        """Wait until an element can be seen."""
        return self.wait_for(lambda driver: _find_displayed(driver, by, what), f"no {what!r}")

    def open_version(self, task: str, number: int) -> None:
        """Open a version by the address that `nightly_retraining` ends with, until its description can be read."""
        self.driver.get(f"{self.url}/#/models/{task}/versions/{number}")
        self.find(By.LINK_TEXT, "as it was judged")

    @contextmanager
    def following(self, link: str) -> Iterator[None]:
        """Click a link that opens a tab, and come back at the end."""
        page = self.driver.current_window_handle
        self.find(By.LINK_TEXT, link).click()
        self.wait_for(lambda driver: len(driver.window_handles) == 2, "no tab was opened")
        (opened,) = set(self.driver.window_handles) - {page}
        self.driver.switch_to.window(opened)
        try:
            yield
        finally:
            self.driver.close()
            self.driver.switch_to.window(page)

    def add_tag(self, key: str, value: str) -> float:
        """Fill in the form below the tags of the version and click `Add`; return when, by the monotonic clock."""
        self.find(By.CSS_SELECTOR, "[data-testid=tags-form-input-name]").send_keys(key)
        self.find(By.CSS_SELECTOR, "[data-testid=tags-form-input-value]").send_keys(value)
        button, clicked = self.find(By.CSS_SELECTOR, "[data-testid=add-tag-button]"), time.monotonic()
        button.click()
        return clicked

    def read_alert(self) -> str:
        """Wait for what the page objects to; it fades in."""
        alert = self.find(By.CSS_SELECTOR, "[role=alert]")
        return self.wait_for(lambda _: alert.text or False, "no words in the alert")

    def read_tags(self) -> dict[str, str]:
        """Wait for the table of tags, and return it."""
        return self.wait_for(_read_tags, "no tags")


def _find_displayed(driver: Chrome, by: str, what: str) -> WebElement | Literal[False]:
    return next((one for one in driver.find_elements(by, what) if one.is_displayed()), False)


def _read_tags(driver: Chrome) -> dict[str, str]:
    rows = driver.find_elements(By.CSS_SELECTOR, "[role=row], tr")
    cells = [[cell.text for cell in row.find_elements(By.CSS_SELECTOR, "[role=cell], td")] for row in rows]
    return {row[0]: row[1] for row in cells if len(row) > 1}


def find_chromium() -> tuple[str, str]:
    """Return the programs: the browser, and what drives it; without both the test is skipped."""
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not (chromium and driver):
        pytest.skip("no Chromium on this machine (chromium and chromedriver): `make debian` installs them")
    return chromium, driver


@contextmanager
def open_browser(url: str, profile: Path) -> Iterator[Browser]:
    """Run a browser that has never been anywhere, until the block ends."""
    chromium, driver = find_chromium()
    options = ChromeOptions()
    options.binary_location = chromium
    for flag in (*FLAGS, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    # With both paths given Selenium looks for no driver, and so asks nobody for one.
    chrome = Chrome(options, ChromeService(driver))
    try:
        chrome.set_page_load_timeout(WAIT_SECONDS)
        yield Browser(chrome, url)
    finally:
        chrome.quit()
