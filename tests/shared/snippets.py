"""Examples of the documentation: blocks of code of a page, and commands of maury in them."""

import re
import shlex


def blocks(page, language):
    """Return the blocks of one language."""
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(encoding="utf-8"), re.M | re.S)


def commands(page):
    """Return the commands of maury, as lists of words, in blocks of any language and in notebooks."""
    lines = [
        line.removeprefix("! ")
        for block in re.findall(
            r"^```(?:sh|text|\{code-cell\})\n(.*?)^```", page.read_text("utf-8"), re.M | re.S
        )
        for line in block.replace("\\\n", " ").splitlines()
    ]
    return [shlex.split(line, comments=True)[1:] for line in lines if line.startswith("maury ")]
