"""Lets `python -m local_model_server` start the server."""

import sys

from local_model_server.main import main

sys.exit(main())
