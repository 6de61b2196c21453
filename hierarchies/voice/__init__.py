"""A language model as one more voice: what a proposal leaves open, what was answered, and how it is replayed."""
