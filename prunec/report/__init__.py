"""What a compile did: as data for machines, as a page in the terminal for people."""
