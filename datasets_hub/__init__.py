"""Published datasets: written, loaded, checked, compared and pushed. What other projects use stands in `cairnhub`."""
