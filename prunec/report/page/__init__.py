"""The report as a page: one file that opens offline, drawn from reports alone."""
