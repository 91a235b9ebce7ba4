"""Debian's chromium without a screen, driven by selenium; tests that need it are skipped where it is not."""

import json
import shutil
import time
from contextlib import contextmanager

import pytest

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
needs_chromium = pytest.mark.skipif(
    CHROMIUM is None or DRIVER is None,
    reason="needs chromium and chromedriver: apt-get install chromium-driver",
)


@contextmanager
def chromium(width=1500, height=1300):
    """Yield a driver; its `requests` and `complaints` tell what the page asked for and complained of."""
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for word in (
        "--headless=new",
        "--no-sandbox",
        "--disable-dev-shm-usage",
        f"--window-size={width},{height}",
    ):
        options.add_argument(word)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(DRIVER))
    try:
        yield driver
    finally:
        driver.quit()


def wait_for(driver, script, seconds=60):
    """Return what `script` gives as soon as that is something."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = driver.execute_script(script)
        if found is not None and found is not False:
            return found
        time.sleep(0.02)
    raise AssertionError(f"not within {seconds} s: {script}")


def open_page(driver, path):
    """Open a report; return the milliseconds until all diagrams were drawn and could be clicked."""
    driver.get(path.as_uri())
    return float(wait_for(driver, "return document.body.dataset.ready"))


def requests(driver):
    """Return the addresses that the pages asked for since the last call."""
    messages = (json.loads(line["message"])["message"] for line in driver.get_log("performance"))
    urls = [m["params"]["request"]["url"] for m in messages if m["method"] == "Network.requestWillBeSent"]
    return [url for url in urls if not url.startswith(("data:", "blob:"))]


def complaints(driver):
    """Return errors and warnings of the console since the last call, without those about missing graphics."""
    lines = [line for line in driver.get_log("browser") if line["level"] in ("SEVERE", "WARNING")]
    return [line["message"] for line in lines if "WebGL" not in line["message"]]


def click_star(driver, diagram, row):
    """Click where a star lies in a diagram."""
    from selenium.webdriver.common.action_chains import ActionChains

    x, y = driver.execute_script(
        """
        const view = Bokeh.index.roots.find((v) => v.model.name === arguments[0]);
        view.el.scrollIntoView({block: "center"});
        const facts = JSON.parse(document.getElementById("facts").textContent);
        const [x, y] = facts.axes[arguments[0]];
        const data = view.model.document.get_model_by_name("stars").data;
        const frame = view.canvas_view.el.getBoundingClientRect();
        return [frame.left + view.frame.x_scale.compute(data[x][arguments[1]]),
                frame.top + view.frame.y_scale.compute(data[y][arguments[1]])];
        """,
        diagram,
        row,
    )
    actions = ActionChains(driver, duration=0)
    actions.w3c_actions.pointer_action.move_to_location(round(x), round(y)).click()
    actions.perform()


def drag_over(driver, diagram, start, end):
    """Drag over a diagram, between positions (0 to 1 from the left, 0 to 1 from the top)."""
    from selenium.webdriver.common.action_chains import ActionChains

    points = driver.execute_script(
        """
        const view = Bokeh.index.roots.find((v) => v.model.name === arguments[0]);
        view.el.scrollIntoView({block: "center"});
        const frame = view.canvas_view.el.getBoundingClientRect();
        const {left, top, width, height} = view.frame.bbox;
        return [arguments[1], arguments[2]].map(
          ([u, v]) => [frame.left + left + u * width, frame.top + top + v * height]);
        """,
        diagram, start, end,
    )  # fmt: skip
    actions = ActionChains(driver, duration=50)
    pointer = actions.w3c_actions.pointer_action
    (x, y), (x_end, y_end) = ([round(value) for value in point] for point in points)
    pointer.move_to_location(x, y).pointer_down()
    pointer.move_to_location((x + x_end) // 2, (y + y_end) // 2)
    pointer.move_to_location(x_end, y_end).pointer_up()
    actions.perform()
