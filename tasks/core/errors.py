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


def reason(error: OSError | UnicodeError) -> str:
    """Why a file cannot be read or written, in words and without the system's number."""
    if isinstance(error, UnicodeError):
        return f"not UTF-8 ({error})"
    if isinstance(error, FileNotFoundError):
        return "no such file or folder"
    return (error.strerror or str(error)).lower()
