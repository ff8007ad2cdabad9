"""Starts `answers`, without what its imports do not need."""

from sweepctl import numpy_gate

if __name__ == "__main__":
    with numpy_gate.shut():
        from sweepctl.ui.answers import main

        main()
