"""Hand over to the program; it lives in a module so that tests can import it."""

from infra.program import main

main()
