"""What both sides of the campaign must agree on."""

DATASET = "gldv2"
