"""A label tree: strict, with named levels; its rules, its files, its search."""
