"""What stages leave to one another: one small type per artifact, used by its writer and by its readers.

The tree is a `LabelTree`, text vectors are `Embeddings`, the proposal a `Proposal`, the published dataset is what the
hub room reads: these save and load themselves.
"""
