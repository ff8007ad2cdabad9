"""Classical designs of experiments.

`coded` has their rows, `levels` the values, `kinds` what a sweep file says; `maximin` searches for a Latin hypercube.
"""

from sweepctl.sweep.classical.kinds import KINDS, Classical, Coded, MaximinLatinHypercube

__all__ = ["KINDS", "Classical", "Coded", "MaximinLatinHypercube"]
