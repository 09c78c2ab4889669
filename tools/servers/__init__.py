"""Object stores for tests: real servers of the GCS and S3 protocols, built once per machine."""
