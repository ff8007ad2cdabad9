"""Tries a model before it is swept: does it give what it declares, the same each time, wherever it runs?"""
