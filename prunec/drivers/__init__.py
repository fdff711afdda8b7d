"""What each command does, a file a question; the public functions of `prunec` live here."""
