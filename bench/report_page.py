"""Time how long a report of many rows takes to open in chromium.

    python bench/report_page.py [--rows 60000] [--spectra 300]

The catalogue is synthetic, with five labels, Gaia colours and two visits per star; its spectra have 4,563
pixels. Opened means that all diagrams are drawn and can be clicked. Needs chromium and chromedriver.
"""

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path

import machine
import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "shared"))

from browser import chromium, click_star, complaints, open_page, requests, wait_for
from maury.measure.best_fit import BestFit
from maury.show.report.data import choose_rows, pack_spectrum
from maury.show.report.page import write_report
from report_stars import survey_catalog

N_PIXELS = 4563
ALLOWED = 3000  # ms


def spectrum(rng):
    """Return a spectrum of S/N 100 that does not deflate better than a real one."""
    wave = 3621.6 * 10 ** (1e-4 * np.arange(N_PIXELS))
    model = 1 - 0.3 * rng.random(N_PIXELS) ** 8
    ivar = np.full(N_PIXELS, 1e4)
    return BestFit(wave, model + 0.01 * rng.normal(size=N_PIXELS), ivar, model, np.full(N_PIXELS, 0.005))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=60_000)
    parser.add_argument("--spectra", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    machine.print_header()
    rng = np.random.default_rng(0)
    catalog = survey_catalog(options.rows)
    chosen = choose_rows(catalog, range(options.rows), options.spectra)
    packed = {int(row): pack_spectrum(spectrum(rng)) for row in chosen}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "report.html"
        start = time.perf_counter()
        write_report(catalog, path, packed)
        written = time.perf_counter() - start
        opened = []
        for _ in range(options.rounds):
            with chromium() as driver:  # a new browser each time, with empty caches
                opened.append(open_page(driver, path))
        with chromium() as driver:
            open_page(driver, path)
            count = driver.execute_script("return document.getElementById('count').textContent")
            assert count == f"{options.rows} of {options.rows} rows", count
            driver.execute_script(
                "const e = document.getElementById('rows'); e.value = 'spectrum';"
                "e.dispatchEvent(new Event('change'));"
            )
            start = time.perf_counter()
            click_star(driver, "kiel", next(iter(packed)))
            shown = "return Bokeh.documents[0].get_model_by_name('pixels').data.wave.length"
            assert wait_for(driver, f"{shown} || null") == N_PIXELS
            clicked = time.perf_counter() - start
            without = next(row for row in range(options.rows) if row not in packed)
            star = f"const e = document.getElementById('find'); e.value = '{catalog['visit_id'][without]}';"
            driver.execute_script(star + "e.dispatchEvent(new Event('change'));")
            wait_for(driver, f"return document.body.dataset.star === '{without}'")
            note = driver.execute_script("return document.getElementById('note').textContent")
            assert note.startswith("The spectrum of this star is not in this page."), note
            assert requests(driver) == [path.as_uri()]
            assert complaints(driver) == []
        size = path.stat().st_size / 1e6
    print(
        f"\n{options.rows} rows, {len(packed)} spectra: {size:.1f} MB, written in {written:.1f} s; opened in "
        f"{min(opened):.0f} ms at best, {statistics.median(opened):.0f} ms in the median of {len(opened)}; "
        f"spectrum {1000 * clicked:.0f} ms after the click was sent"
    )
    assert min(opened) < ALLOWED, "the report opens too slowly"


if __name__ == "__main__":
    main()
