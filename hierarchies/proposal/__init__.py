"""From the texts of labels to a proposal: clean, embed, find categories, assign landmarks."""
