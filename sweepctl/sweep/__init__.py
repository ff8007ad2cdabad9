"""From a sweep file to a plan. Writes nothing to a store."""
