"""One module, or folder, per format of `params.yaml`, by its name; each has `make` and knows no other.

`make(dataset, source, subset, executor)` gives the format's `SourceReader`; `readers` calls it. What only one format
uses lies here, what several use lies one folder up, and nothing there imports a format by name.
"""
