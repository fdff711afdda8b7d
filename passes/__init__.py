"""The passes that come with prunec, one file each: analyses, searches and rewrites.

`PASSES` is the table behind the entry point `passes` of the group `prunec`: the name that pipelines use,
to where the class is. A place is imported when its pass is first asked for, so that the table costs
nothing. Other packages add passes by an entry point of the same group and name, with a table like this.
"""

PASSES: dict[str, str] = {}
