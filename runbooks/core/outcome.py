"""The one place where a verb's end becomes an exit code, and an error a message."""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from collections.abc import Callable
from typing import NoReturn

from infra.settings import SettingsError
from runbooks.core.errors import Exit, SeparuhError
from runbooks.core.hint import Screen
from runbooks.core.signals import Interrupted

NO_ROOM = (errno.ENOSPC, errno.EDQUOT)


def end(verb: Callable[[], int | None], debug: bool, stack: str = "") -> NoReturn:
    """Call `verb` and end the process with its code. Errors are told in words; `debug` adds the traceback.

    `stack`, where it was named, is put into the commands that an error tells to type.

    It ends at once: nobody waits for a thread that still waits for a silent place, nor 0.15 s for Python to tidy up.
    Whatever a verb must have finished, it has finished by itself.
    """
    code = _code(verb, debug or bool(os.environ.get("SEPARUH_DEBUG")), stack)
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError):  # nobody reads any more
            stream.flush()
    os._exit(code)


def _code(verb: Callable[[], int | None], debug: bool, stack: str) -> int:
    errors = Screen(stack, stderr=True)
    try:
        return int(verb() or Exit.DONE)
    except SeparuhError as error:
        code, said = error.exit, str(error)
    except SettingsError as error:  # its subclasses say what is missing: secrets, images, an engine
        code, said = (Exit.USAGE if type(error) is SettingsError else Exit.NOT_READY), str(error)
    except Interrupted as error:
        code, said = Exit.NOT_READY, f"{error} before anything was changed"
    except Exception as error:
        code, said = Exit.USAGE, _unexpected(error)
    if debug:
        errors.print_exception()
    errors.print(said, style="red")
    return code


def _unexpected(error: Exception) -> str:
    if isinstance(error, OSError) and error.errno in NO_ROOM:
        return f"this machine's disk takes no more: {error}. Make room there, then run it again"
    return f"internal error: {type(error).__name__}: {error}. With --debug it says where; please report it"
