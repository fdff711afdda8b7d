"""The intermediate representation: programs, label flow, and the mechanics of masking and slicing them."""
