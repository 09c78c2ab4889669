"""Where the measures of two versions come from, behind one small interface."""
