"""The report: what is in the page, that it needs no network, and what a browser makes of it."""

import base64
import json
import re
import zlib
from html.parser import HTMLParser

import numpy as np
import pytest
from astropy.table import Table

import made_up_stars as made_up
from browser import chromium, click_star, complaints, drag_over, needs_chromium, open_page, requests, wait_for
from maury.catalog.flags import Flag, flag_names, is_valid
from maury.show.report import data as data
from maury.show.report import page as report_page
from maury.show.report.page import write_report
from report_fits import made_up_fit, unpacked
from report_stars import survey_catalog

PICTURE = report_page._picture
HOSTILE = [
    "</script><script>window.broken=1</script>",
    "<img src=x onerror=window.broken=1>",
    "a&lt;b \"'`{{7*7}}",
]

DRAWN = (
    "return ['valid', 'not_valid'].flatMap("
    "(kind) => Array.from(Bokeh.documents[0].get_model_by_name('kiel_' + kind).indices))"
)

# Tips are in shadow roots.
TIPS = """
const texts = [];
const walk = (node) => {
  if (node.shadowRoot) walk(node.shadowRoot);
  if (node.className === "bk-tooltip-content") texts.push(node.textContent);
  node.childNodes.forEach(walk);
};
walk(document.body);
return texts.some((text) => text.includes(WANTED));
"""


@pytest.fixture(autouse=True)
def small_pictures(monkeypatch):
    """Figures of matplotlib take most of the time of a page; one test has them."""
    empty = base64.b64encode(b"<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'/>").decode()
    monkeypatch.setattr(report_page, "_picture", lambda _: f"data:image/svg+xml;base64,{empty}")


class Elements(HTMLParser):
    """Collects elements, and the text of those with an id."""

    def __init__(self, page):
        super().__init__(convert_charrefs=True)
        self.elements, self.texts, self.inside = [], {}, None
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        self.inside = dict(attributes).get("id")

    def handle_data(self, text):
        if self.inside:
            self.texts[self.inside] = self.texts.get(self.inside, "") + text


def written(tmp_path, catalog, **options):
    write_report(catalog, tmp_path / "report.html", **options)
    page = (tmp_path / "report.html").read_text("utf-8")
    return page, Elements(page)


def facts_of(elements):
    return json.loads(elements.texts["facts"])


def test_the_page_names_all_columns_of_numbers_and_no_others(tmp_path):
    catalog = survey_catalog(60)
    catalog["never"] = np.nan
    _, elements = written(tmp_path, catalog)
    facts = facts_of(elements)
    text = {"star_id", "visit_id", "file", "status", "start", "problem", "covariance", "never"}
    assert set(facts["columns"]) == set(catalog.colnames) - text
    assert facts["axes"] == {
        "kiel": ["teff", "logg"],
        "alpha": ["fe_h", "alpha_fe"],
        "cmd": ["bp_rp", "m_g"],
        "chi2": ["snr", "rchi2"],
    }
    options = [a["value"] for tag, a in elements.elements if tag == "option"]
    assert set(facts["columns"]) <= set(options)
    assert [label["name"] for label in facts["labels"]] == catalog.meta["LABELS"].split(",")


def test_what_a_catalogue_does_not_have_is_not_offered(tmp_path):
    catalog = survey_catalog(60)
    catalog.meta["LABELS"] = "teff,logg,fe_h"
    catalog.remove_columns(
        [name for name in catalog.colnames if name.startswith(("alpha", "log_v", "bp_", "m_g"))]
    )
    page, elements = written(tmp_path, catalog)
    assert list(facts_of(elements)["axes"]) == ["kiel", "chi2"]
    assert 'value="alpha_fe"' not in page


def test_columns_of_the_colour_magnitude_diagram_can_be_named(tmp_path):
    catalog = survey_catalog(60)
    _, elements = written(tmp_path, catalog, cmd=("teff", "snr"))
    assert facts_of(elements)["axes"]["cmd"] == ["teff", "snr"]
    with pytest.raises(ValueError, match="no numbers in a column 'g_rp'; it has teff"):
        write_report(catalog, tmp_path / "x.html", cmd=("g_rp", "m_g"))
    assert not list(tmp_path.glob("*x.html*"))


def test_counts_of_flags_stand_in_the_page(tmp_path):
    catalog = survey_catalog(400)
    catalog["flags"][::9] |= int(Flag.NOT_CONVERGED)
    page, _ = written(tmp_path, catalog)
    n = int(np.sum((catalog["flags"] & 32) != 0))
    assert n > 0
    assert f'<option value="32">flag: low snr ({n})</option>' in page
    assert re.search(rf"<td>low snr</td><td>{n}</td><td>{n / 4:.1f} %</td>", page)
    n_valid, n_clean = (int(np.sum(rows)) for rows in (is_valid(catalog["flags"]), catalog["flags"] == 0))
    assert 0 < n_clean < n_valid < 400
    assert f"{n_valid} of 400 rows are valid" in page and f"{n_clean} rows have no flag at all" in page
    assert f'<option value="valid">valid rows ({n_valid})</option>' in page
    unset = re.search(r"No row has: (.*)\.</p>", page).group(1).split(", ")
    named = [name for _, name, _, _ in data.flag_counts(np.asarray(catalog["flags"]))]
    assert sorted(named + unset) == sorted(flag_names(bit)[0] for bit in Flag)


def test_nothing_in_the_page_is_fetched(tmp_path, monkeypatch):
    monkeypatch.setattr(report_page, "_picture", PICTURE)
    _, elements = written(tmp_path, survey_catalog(60))
    drawn = [a["src"] for tag, a in elements.elements if tag == "img"]
    assert len(drawn) == 3 and min(map(len, drawn)) > 10_000
    for tag, attributes in elements.elements:
        for key in ("src", "href", "srcset", "action", "data"):
            assert attributes.get(key, "data:").startswith("data:"), (tag, attributes[key][:80])
    policy = [
        a["content"] for tag, a in elements.elements if a.get("http-equiv") == "Content-Security-Policy"
    ]
    assert policy
    assert policy[0].startswith("default-src 'none';")
    assert "http" not in policy[0]


def test_names_are_never_html(tmp_path):
    catalog = survey_catalog(60)
    for name in ("star_id", "visit_id", "file", "problem", "status"):
        catalog[name] = [HOSTILE[i % 3] for i in range(60)]
    catalog.meta["EMULATOR"] = catalog.meta["ERRORS"] = HOSTILE[0]
    catalog[HOSTILE[1]] = np.arange(60.0)
    plain, _ = written(tmp_path, survey_catalog(60))
    page, elements = written(tmp_path, catalog, title=HOSTILE[1])
    assert page.count("<script") == plain.count("<script")
    assert "<img src=x" not in page
    assert HOSTILE[1] in facts_of(elements)["columns"]


@pytest.mark.parametrize("text", [*HOSTILE, "\u2028 \ud800", "<!--<script>"])
def test_json_cannot_end_its_element(text):
    words = data.json_for_page({text: [text]})
    assert not set("<>&") & set(words)
    assert json.loads(words) == {text: [text]}


def test_a_packed_spectrum_is_as_exact_as_said():
    fit = made_up_fit()
    wave, flux, model, sigma = unpacked(data.pack_spectrum(fit))
    used = fit.ivar > 0
    np.testing.assert_allclose(wave, fit.wavelength, atol=0.5001 * data.WAVE_STEP, rtol=0)
    np.testing.assert_array_equal(np.isfinite(flux), used)
    top = data.LOWEST + (data.MISSING - 1) * data.STEP
    kept = np.clip(fit.flux, data.LOWEST, top)
    np.testing.assert_allclose(flux[used], kept[used], atol=0.5001 * data.STEP, rtol=0)
    np.testing.assert_allclose(model, fit.model, atol=0.5001 * data.STEP, rtol=0)
    np.testing.assert_allclose(sigma[used], np.hypot(0.02, 0.005), atol=0.5001 * data.STEP, rtol=0)


def test_a_packed_column_keeps_sixteen_bits():
    values = np.float32([0.0, -1.5, 5777.123, 33.675143, 3e-7, -2e9, np.nan, np.inf, 512.0])
    raw = np.frombuffer(zlib.decompress(base64.b64decode(data.pack_column(values))), np.uint8)
    kept = raw.reshape(4, -1).T.copy().view("<f4").ravel()
    np.testing.assert_allclose(kept, values, rtol=2.0**-16)
    assert (raw[: len(values)] == 0).all()


def test_arms_that_overlap_are_put_in_order():
    fit = made_up_fit()
    fit.wavelength[350:] -= 5.0
    fit.wavelength[-3:] = np.nan
    wave, flux, *_ = unpacked(data.pack_spectrum(fit))
    assert len(wave) == 697
    assert (np.diff(wave) >= 0).all()
    assert np.isfinite(flux).sum() == (fit.ivar[:-3] > 0).sum()


@pytest.fixture(scope="module")
def driver():
    with chromium() as driver:
        yield driver


@needs_chromium
def test_a_click_shows_the_spectrum_of_the_star(driver, tmp_path):
    catalog = survey_catalog(40)
    fit = made_up_fit()
    packed = data.pack_spectrum(fit)
    write_report(catalog, tmp_path / "report.html", spectra={7: packed, 8: packed})
    open_page(driver, tmp_path / "report.html")
    for row, diagram in ((7, "kiel"), (8, "cmd"), (9, "alpha")):
        click_star(driver, diagram, row)
        wait_for(driver, f"return document.body.dataset.star === '{row}'")
        name = f"{catalog['star_id'][row]} {catalog['visit_id'][row]}"
        assert driver.execute_script("return document.getElementById('star').textContent") == name
        labels = driver.execute_script("return document.getElementById('labels').textContent")
        assert f"{catalog['teff'][row].value:.0f} ± {catalog['teff_err'][row].value:.0f} K" in labels
        seen = driver.execute_script("return !document.getElementById('plots').hidden")
        assert seen == (row in (7, 8))
        if row == 7:
            pixels = driver.execute_script(
                "const d = Bokeh.documents[0].get_model_by_name('pixels').data;"
                "return ['wave', 'flux', 'model', 'residual', 'upper'].map("
                "(name) => Array.from(d[name], (v) => isNaN(v) ? null : v));"
            )
            wave, flux, model, residual, upper = np.array(pixels, dtype=float)
            expected = unpacked(packed)
            for mine, theirs in zip((wave, flux, model), expected, strict=False):
                np.testing.assert_allclose(mine, theirs, atol=1e-9)
            np.testing.assert_allclose(residual, expected[1] - expected[2], atol=1e-9)
            np.testing.assert_allclose(upper, np.nan_to_num(expected[3]), atol=1e-9)
    note = driver.execute_script("return document.getElementById('note').textContent")
    assert note.startswith("The spectrum of this star is not in this page. The page has 2 of 40 spectra:")
    assert requests(driver) == [(tmp_path / "report.html").as_uri()]
    assert complaints(driver) == []


@needs_chromium
def test_hostile_names_stay_text_in_the_browser(driver, tmp_path):
    catalog = survey_catalog(3)
    for name in ("star_id", "visit_id", "file", "problem"):
        catalog[name] = HOSTILE
    catalog["teff"] = [4000.0, 6000.0, 9000.0] * catalog["teff"].unit
    write_report(catalog, tmp_path / "report.html", title=HOSTILE[0])
    open_page(driver, tmp_path / "report.html")
    for row in range(3):
        click_star(driver, "kiel", row)  # the pointer stays, so the name is in the tip as well
        wait_for(driver, f"return document.body.dataset.star === '{row}'")
        assert driver.execute_script("return document.getElementById('star').textContent") == HOSTILE[row]
        wait_for(driver, TIPS.replace("WANTED", json.dumps(HOSTILE[row])))
    assert driver.execute_script("return window.broken === undefined")
    assert driver.title == HOSTILE[0]
    assert requests(driver) == [(tmp_path / "report.html").as_uri()]


@needs_chromium
def test_colours_filters_and_names(driver, tmp_path):
    catalog = survey_catalog(3000)
    catalog["flags"][::9] |= int(Flag.NOT_CONVERGED)
    write_report(catalog, tmp_path / "report.html")
    open_page(driver, tmp_path / "report.html")
    choose = (
        "const e = document.getElementById(arguments[0]); e.value = arguments[1];"
        "e.dispatchEvent(new Event('change'));"
    )
    driver.execute_script(choose, "colour", "snr")
    wait_for(driver, "return Bokeh.documents[0].get_model_by_name('kiel_bar').title === 'snr'")
    low, high, first = driver.execute_script(
        "const p = Bokeh.documents[0]; const m = p.get_model_by_name('colours');"
        "return [m.low, m.high, p.get_model_by_name('stars').data._colour[0]];"
    )
    np.testing.assert_allclose([low, high], np.percentile(catalog["snr"], [2, 98]))
    assert first == pytest.approx(catalog["snr"][0], rel=2.0**-16)
    driver.execute_script(choose, "rows", "32")
    rows = np.flatnonzero((catalog["flags"] & 32) != 0)
    assert driver.execute_script("return document.getElementById('count').textContent") == (
        f"{len(rows)} of 3000 rows"
    )
    drawn = driver.execute_script(DRAWN)
    assert set(drawn) <= set(rows.tolist())
    crosses = "return Bokeh.documents[0].get_model_by_name('kiel_not_valid').indices"
    crossed = driver.execute_script(crosses)
    assert crossed and not is_valid(catalog["flags"])[crossed].any()
    assert len(drawn) > 0.9 * len(rows)
    driver.execute_script(choose, "find", str(catalog["visit_id"][1234]))
    wait_for(driver, "return document.body.dataset.star === '1234'")
    assert complaints(driver) == []


@needs_chromium
def test_zooming_in_draws_what_was_hidden(driver, tmp_path):
    catalog = survey_catalog(3000)
    catalog["teff"][:500] = np.linspace(5000, 5010, 500) * catalog["teff"].unit
    catalog["logg"][:500] = 3.0 * catalog["logg"].unit
    write_report(catalog, tmp_path / "report.html")
    open_page(driver, tmp_path / "report.html")
    drawn = DRAWN + ".filter((i) => i < 500).length"
    assert driver.execute_script(drawn) < 20
    driver.execute_script(
        "const f = Bokeh.documents[0].get_model_by_name('kiel');"
        "f.x_range.setv({start: 5012, end: 4998}); f.y_range.setv({start: 3.1, end: 2.9});"
    )
    wait_for(driver, drawn + " > 100")


@needs_chromium
def test_a_box_selects_in_all_diagrams_and_is_saved(driver, tmp_path):
    catalog = survey_catalog(300)
    catalog["file"] = [f'{i}, "x".fits' for i in range(300)]
    catalog["flags"][::9] |= int(Flag.NOT_CONVERGED)
    write_report(catalog, tmp_path / "report.html", emulator=made_up.emulator())
    open_page(driver, tmp_path / "report.html")
    driver.execute_script(
        "window.saved = []; URL.createObjectURL = (blob) => { saved.push(blob.text()); return '#'; };"
        "const tools = Bokeh.documents[0].get_model_by_name('kiel').toolbar.tools;"
        "tools.find((tool) => tool.type === 'BoxSelectTool').active = true;"
    )
    drag_over(driver, "kiel", (0.3, 0.2), (0.8, 0.9))
    chosen = wait_for(
        driver,
        "const i = Array.from(Bokeh.documents[0].get_model_by_name('stars').selected.indices);"
        "return i.length ? i : null",
    )
    x, y = catalog["teff"].value[chosen], catalog["logg"].value[chosen]
    inside = (catalog["teff"].value >= x.min()) & (catalog["teff"].value <= x.max())
    inside &= (catalog["logg"].value >= y.min()) & (catalog["logg"].value <= y.max())
    assert chosen == np.flatnonzero(inside).tolist() and 0 < len(chosen) < 300
    count = "return document.getElementById('count').textContent"
    assert driver.execute_script(count) == f"{len(chosen)} rows selected"
    driver.execute_script("document.getElementById('csv').click()")
    wait_for(driver, "return window.saved.length > 0")
    text = driver.execute_async_script("const done = arguments[0]; saved[0].then(done);")
    table = Table.read(text, format="ascii.csv")
    assert table["row"].tolist() == chosen
    np.testing.assert_allclose(table["teff"], x, rtol=1e-6)
    np.testing.assert_array_equal(table["flags"], catalog["flags"][chosen])
    assert table["file"].tolist() == catalog["file"][chosen].tolist()
    driver.execute_script(
        "const e = document.getElementById('rows'); e.value = 'valid'; e.dispatchEvent(new Event('change'))"
    )
    n = int(is_valid(catalog["flags"]).sum())
    assert driver.execute_script(count) == f"{n} of 300 rows"
    driver.execute_script("document.getElementById('csv').click()")
    wait_for(driver, "return window.saved.length > 1")
    text = driver.execute_async_script("const done = arguments[0]; saved[1].then(done);")
    assert len(Table.read(text, format="ascii.csv")) == n
    assert complaints(driver) == []


@needs_chromium
@pytest.mark.parametrize("width", [1400, 500])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_fits_the_screen_and_its_colours(driver, tmp_path, width, scheme):
    catalog = survey_catalog(60)
    catalog.remove_columns(["alpha_fe", "bp_rp", "m_g"])
    catalog.meta["LABELS"] = "teff,logg,fe_h"
    write_report(catalog, tmp_path / "report.html")
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    media = [{"name": "prefers-color-scheme", "value": scheme}]
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": media})
    try:
        open_page(driver, tmp_path / "report.html")
        wide, inner = driver.execute_script(
            "return [document.documentElement.scrollWidth,"
            "Bokeh.documents[0].get_model_by_name('kiel').inner_width]"
        )
        assert wide <= width and (200 < inner < width if width < 700 else 400 < inner < 700)
        back = driver.execute_script("return getComputedStyle(document.body).backgroundColor")
        assert (back == "rgb(20, 20, 20)") == (scheme == "dark")
    finally:
        driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
        driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def test_training_stars_pulls_and_lines_are_there_if_they_are_known(tmp_path):
    catalog = survey_catalog(60)
    bare, _ = written(tmp_path, catalog)
    assert "training stars" not in bare
    page, _ = written(tmp_path, catalog, emulator=made_up.emulator())
    assert "Grey: training stars of the emulator." in page
    assert page.count("Histograms of pulls") == 1
    catalog["star_id"] = [f"star {i}" for i in range(60)]
    alone, _ = written(tmp_path, catalog)
    assert "Histograms of pulls" not in alone
    for name in ("H alpha", "Na D", "Ca II 8544"):
        assert f'"{name}"' in page
