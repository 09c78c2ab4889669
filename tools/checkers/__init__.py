"""Programs that check this repository, built from pinned Go modules."""
