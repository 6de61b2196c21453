"""Ways to compute the differentiable ranks: one comparison after the other, in sorted rows, in Triton kernels."""
