"""Prey and predators, one birth and death at a time."""

import numpy as np


def simulate(
    prey: int = 100,  # at the start
    predators: int = 50,  # at the start
    birth: float = 1.0,  # births per prey and time
    eaten: float = 0.01,  # prey eaten per prey, predator and time; each feeds a new predator
    death: float = 0.6,  # deaths per predator and time
    horizon: float = 10.0,  # time at which it ends
    *,
    random,  # the point's random numbers, of sweepctl
):
    """Stochastic Lotka-Volterra, by Gillespie's direct method."""
    draw = random.numpy()
    time, x, y, peak = 0.0, prey, predators, prey
    series = [(time, x, y)]
    changes = [(1, 0), (-1, 1), (0, -1)]
    while x + y > 0:
        rates = np.cumsum([birth * x, eaten * x * y, death * y])
        time += draw.exponential() / rates[-1] if rates[-1] > 0 else horizon
        while len(series) <= min(time, horizon):  # once in each unit of time
            series.append((float(len(series)), x, y))
        if time >= horizon:
            break
        if x > 10_000:
            raise OverflowError(f"{x} prey at time {time:.1f}")
        dx, dy = changes[np.searchsorted(rates, draw.random() * rates[-1], side="right")]
        x, y = x + dx, y + dy
        peak = max(peak, x)
    times, xs, ys = zip(*series, strict=True)
    return {
        "prey_left": x,
        "predators_left": y,
        "peak": peak,
        "extinct": x == 0 or y == 0,
        "population": {"time": times, "prey": xs, "predators": ys},
    }
