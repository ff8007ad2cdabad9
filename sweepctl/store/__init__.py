"""Where results are kept: one contract (`contract`), a local directory (`local`) or an S3 bucket (`s3`).

`open_store` chooses by the URL. `records` defines what the keys and bodies mean.
"""

from sweepctl.store.contract import Put, Store, Stored
from sweepctl.store.open import open_store, place_in_s3

__all__ = ["Put", "Store", "Stored", "open_store", "place_in_s3"]
