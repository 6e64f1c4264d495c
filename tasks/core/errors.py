"""The one exception for input that a person can mend."""


class InputError(ValueError):
    """Bad input: where it stands, what was seen, what is allowed and what to do.

    Raised where data enters; printed in one place (`flows/cli.py`, exit code 2).
    """

    def __init__(self, where: str, value: object, allowed: str, remedy: str) -> None:
        self.where, self.value, self.allowed, self.remedy = where, value, allowed, remedy
        super().__init__(f"{where}: found {value!r}; allowed: {allowed}. {remedy}")

    def __reduce__(self) -> tuple[type["InputError"], tuple[str, object, str, str]]:
        """Survive a process boundary with all four fields."""
        return type(self), (self.where, self.value, self.allowed, self.remedy)
