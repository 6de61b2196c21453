"""The embedded sample: small sources in the formats and file names of the real ones, drawn from fixed seeds."""
