"""Ways to compute the differentiable ranks: differences in torch for any device, Triton kernels for CUDA."""
