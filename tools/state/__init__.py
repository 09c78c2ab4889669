"""Where stacks of a cloud keep their state: a bucket and a key, made once for each environment."""
