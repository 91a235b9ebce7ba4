"""Jobs on threads, and the columns that they give put together."""

import threading
import time

import numpy as np
import pytest

from maury.catalog.columns import join_columns
from maury.measure.jobs import available_threads, run_jobs


@pytest.mark.parametrize("threads", [1, 3, None])
def test_results_are_in_order_and_progress_adds_up(threads):
    told = []

    def work(job, show):
        time.sleep(0.002 * (7 - job))
        show(1)
        show(job)
        return job**2

    assert run_jobs(work, range(1, 7), threads, told.append) == [1, 4, 9, 16, 25, 36]
    assert sum(told) == 1 + 2 + 3 + 4 + 5 + 6


def test_one_thread_is_this_thread():
    here = threading.get_ident()
    assert run_jobs(lambda job, show: threading.get_ident(), [0, 1], 1) == [here, here]
    assert run_jobs(lambda job, show: threading.get_ident(), [0], 4) == [here]
    assert available_threads() >= 1


def test_a_job_that_fails_ends_the_others():
    began, ended = [], []

    def work(job, show):
        began.append(job)
        if job == 0:
            raise LookupError("job 0")
        for _ in range(2000):
            show(1)
            time.sleep(0.001)
        ended.append(job)

    with pytest.raises(LookupError, match="job 0"):
        run_jobs(work, range(50), 2)
    assert len(began) < 50
    assert not ended


def test_an_exception_of_progress_ends_the_batch():
    def full(n):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_jobs(lambda job, show: show(1), range(8), 2, full)


def test_columns_that_some_parts_lack_are_joined():
    one = {"star_id": np.array(["a"]), "teff": np.array([1.0]), "arm_rv": np.array([[5.0]])}
    two = {"star_id": np.array(["bb", "c"]), "teff": np.array([2.0, 3.0])}
    three = {"star_id": np.array(["d"]), "teff": np.array([4.0]), "arm_rv": np.array([[6.0, 7.0]])}
    joined = join_columns([two, one, three])
    assert list(joined) == ["star_id", "teff", "arm_rv"]
    assert joined["star_id"].tolist() == ["bb", "c", "a", "d"]
    nan = np.nan
    np.testing.assert_array_equal(joined["arm_rv"], [[nan, nan], [nan, nan], [5, nan], [6, 7]])
