"""On-disk layouts, one file each."""
