"""What a stack would cost in a month: an estimate from a dated table, and no more than that."""
