"""What every room uses: errors, atomic files, strict readers of untrusted text, hashing, label text, HTML."""
