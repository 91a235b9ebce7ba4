"""Time calls in turn, so that other work on the machine disturbs all of them alike."""

import time


def in_turn(calls, rounds):
    """Return the least seconds of each call (a dict of name to function), over some rounds of all."""
    least = dict.fromkeys(calls, float("inf"))
    for _ in range(rounds):
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            least[name] = min(least[name], time.perf_counter() - start)
    return least
