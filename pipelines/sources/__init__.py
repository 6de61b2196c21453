"""Raw data as its authors publish it: which files, and one row per image out of them."""
