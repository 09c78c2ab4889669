"""Hand over to the program; it lives in a module so that tests can import it."""

import gc

# A program lives for seconds and leaves nothing behind worth looking for; with a hundred models the
# looking takes as long as the work.
gc.disable()

from infra.program import main  # noqa: E402 - what is imported is not looked through either

main()
