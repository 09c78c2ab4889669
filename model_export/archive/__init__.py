"""A version as one `model.tar.gz`, for services that take nothing else."""
