"""What can go wrong, each as one line that says what, where and how to mend it."""


class PrunecError(Exception):
    """An expected failure: the command prints it as one line and exits with `exit_code`.

    Args:
        what: what is wrong, and where (a path, an option, a node).
        fix: what the user can do about it.
    """

    exit_code = 1

    def __init__(self, what: str, fix: str = "") -> None:
        super().__init__(f"{what.rstrip('.')}. {fix}".strip() if fix else what)
        self.what = what
        self.fix = fix


class InputError(PrunecError):
    """The model directory, an option, a text or an output path cannot be used."""

    exit_code = 2


class BudgetError(PrunecError):
    """The budget is out of reach, or the emitted artifact misses it."""

    exit_code = 3


class MeasurementError(PrunecError):
    """A latency could not be measured well enough to be believed."""

    exit_code = 4


class VerificationError(PrunecError):
    """A program or an artifact does not compute what it must."""

    exit_code = 5


class PassError(PrunecError):
    """A pass was asked for something it cannot do, or broke its contract."""

    exit_code = 6
