"""Human decisions on a proposal: the file that keeps them, how they apply, what to ask next, the wall, the terminal."""
