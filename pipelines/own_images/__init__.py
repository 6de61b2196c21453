"""Somebody's own images as they lie: what kind of folder it is, and a table of labels where it needs one."""
