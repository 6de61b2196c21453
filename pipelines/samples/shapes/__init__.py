"""Drawing and packing that every sample shares: equal calls give equal bytes."""
