"""On-disk layouts a city can be written in, one file each."""
