"""Time calls alternately, so that other work on the machine affects all of them equally."""

import time


def in_turn(calls, rounds):
    """Return the minimum time [s] of each call (a dict of name to function) over several rounds."""
    least = dict.fromkeys(calls, float("inf"))
    for _ in range(rounds):
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            least[name] = min(least[name], time.perf_counter() - start)
    return least
