"""Hand over to the program; it lives in a module so that tests can import it."""

import atexit
import gc

# A program lives for seconds and leaves nothing behind worth looking for; with a hundred models the
# looking takes as long as the work. At its end Python would look through all of the SDKs once more.
gc.disable()
atexit.register(gc.freeze)

from infra.program import main  # noqa: E402 - what is imported is not looked through either

main()
