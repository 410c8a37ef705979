"""What the operating system refuses, in the words of a person: the file first, and no number of an error."""


def plain(error: Exception) -> str:
    """`gone.jsonl: No such file or directory`; of any other error what it says itself."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror if error.filename is None else f"{error.filename}: {error.strerror}"
    return str(error)
