"""The machine, the person, the interpreter and the code version behind a run.

Facts come from the kernel's files (``/proc``, ``/sys``) and from Git's own command; nothing is asked of a
network. A fact that cannot be had is left out, never made up. The environment is read for a few variables
known by name (schedulers, containers); it is never stored as a whole, since secrets live there.
"""

from __future__ import annotations

import os
import platform
import resource
import sys
from collections.abc import Callable
from typing import IO, TYPE_CHECKING, Any, Final

from trilha.capture import cluster
from trilha.capture.interrupts import Harmless, pass_on

if TYPE_CHECKING:
    import subprocess

__all__ = [
    "ask_commit",
    "boot_id",
    "commit",
    "host",
    "is_alive",
    "machine_facts",
    "machine_iri",
    "package_iri",
    "peak_memory",
    "person",
    "process_start",
    "python_iri",
]

_GIT_SECONDS: Final = 3
_ANSWER_LIMIT: Final = 8 << 20
_DIFF_LIMIT: Final = 8 << 20


def _quote(text: str, safe: str = "") -> str:
    """`text` as `urllib.parse.quote` gives it, which is imported only where something is to be quoted."""
    if text.isascii() and text.translate(_UNQUOTED).isalnum():
        return text
    from urllib import parse

    return parse.quote(text, safe=safe)


_UNQUOTED: Final = str.maketrans("", "", "_.-~")
"""What is never quoted, besides letters and digits (RFC 3986, section 2.3)."""


def _text(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read().strip()
    except OSError:
        pass_on()
        return ""


def boot_id() -> str:
    """The kernel's random name of this boot, and the space of process numbers; empty where there is none.

    Containers of one machine share the boot and have each a space of their own.
    """
    boot = _text("/proc/sys/kernel/random/boot_id")
    try:
        return f"{boot} {os.readlink('/proc/self/ns/pid')}" if boot else ""
    except OSError:
        pass_on()
        return boot


def is_alive(at_host: str, on_machine: str, boot: str, pid: int, started: int) -> bool | None:
    """Whether a process runs, as far as that can be known here; None where it cannot.

    Args:
        at_host: what `host` said in the process.
        on_machine: what `machine_iri` said there.
        boot: what `boot_id` said there.
        pid: its number.
        started: what `process_start` said of it; a number that was given to another process differs here.
    """
    here = boot_id()
    if not boot or not here or not started:
        return None
    if boot != here:
        same_place = at_host == host() and on_machine == machine_iri()
        booted_since = boot.partition(" ")[0] != here.partition(" ")[0]
        return False if same_place and booted_since else None
    found = process_start(pid)
    if found or pid <= 0:
        return found == started
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        pass_on()
        return None  # it is there, of another user, and /proc does not show it
    return False  # it is there, but has ended (a zombie)


def process_start(pid: int) -> int:
    """When process `pid` started, in clock ticks since boot; 0 if it does not run (proc(5), field 22)."""
    stat = _text(f"/proc/{pid}/stat")
    try:
        fields = stat[stat.rindex(")") + 2 :].split()
        return 0 if fields[0] in "ZX" else int(fields[19])
    except (ValueError, IndexError):
        pass_on()
        return 0


def host() -> str:
    """The host's name."""
    return platform.node() or "localhost"


def machine_iri() -> str:
    """An IRI of this machine that stays the same between runs.

    machine-id(5) asks not to show the id itself, so it is hashed together with our own name (UUID version 5).
    """
    import uuid

    secret = _text("/etc/machine-id") or _text("/var/lib/dbus/machine-id") or host()
    return f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, 'https://w3id.org/trilha/machine/' + secret)}"


def machine_facts() -> dict[str, Any]:
    """What is known of the hardware and system: attribute names without prefix, and values.

    ``memory`` is in bytes, ``cores`` counts the processors that this process may use; see also
    `trilha.capture.cluster`.
    """
    facts: dict[str, Any] = {
        "system": platform.system(),
        "release": platform.release(),
        "architecture": platform.machine(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
    }
    for line in _text("/proc/cpuinfo").splitlines():
        key, _, value = line.partition(":")
        if key.strip() in ("model name", "Model", "cpu model") and value.strip():
            facts["cpu"] = value.strip()
            break
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        facts["memory"] = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    accelerators, drivers = _accelerators()
    if accelerators:
        facts["accelerator"] = accelerators
    if drivers:
        facts["driver"] = drivers
    return facts | cluster.container_facts()


def _accelerators() -> tuple[list[str], list[str]]:
    """Models of the accelerators, and their drivers with versions, as the kernel's files list them."""
    models, drivers = _nvidia()
    cards = _amd()
    version = _text("/sys/module/amdgpu/version")
    return models + cards, drivers + ([f"amdgpu {version}".rstrip()] if cards else [])


def _amd(folder: str = "/sys/class/drm") -> list[str]:
    """Models of AMD's accelerators (vendor 0x1002 of the PCI registry)."""
    found: list[str] = []
    try:
        cards = sorted(name for name in os.listdir(folder) if name.startswith("card") and "-" not in name)
    except OSError:
        pass_on()
        return found
    for card in cards:
        device = f"{folder}/{card}/device"
        if _text(f"{device}/vendor") == "0x1002":
            found.append(f"AMD {_text(f'{device}/product_name') or _text(f'{device}/device')}".strip())
    return found


def _nvidia(folder: str = "/proc/driver/nvidia") -> tuple[list[str], list[str]]:
    """Models of the NVIDIA accelerators and the driver, as that lists them in /proc."""
    found: list[str] = []
    try:
        cards = sorted(os.listdir(f"{folder}/gpus"))
    except OSError:
        pass_on()
        return found, []
    driver = _text(f"{folder}/version").partition("\n")[0]
    version = next((word for word in driver.split() if word[:1].isdigit() and "." in word), "")
    for card in cards:
        for line in _text(f"{folder}/gpus/{card}/information").splitlines():
            key, _, value = line.partition(":")
            if key.strip() == "Model":
                found.append(f"{value.strip()} (driver {version})" if version else value.strip())
    return found, [f"nvidia {version}"] if found and version else []


def person() -> tuple[str, str]:
    """The user who runs this: an IRI (RFC 7565, ``acct:user@host``) and the login name."""
    try:
        import pwd

        name = pwd.getpwuid(os.getuid()).pw_name
    except (ImportError, KeyError, OSError):
        pass_on()
        name = os.environ.get("USER") or os.environ.get("USERNAME") or str(getattr(os, "getuid", lambda: 0)())
    return f"acct:{_quote(name, safe='')}@{_quote(host(), safe='')}", name


def python_iri() -> str:
    """The package URL of the interpreter."""
    return f"pkg:generic/{sys.implementation.name}@{_quote(platform.python_version(), safe='')}"


def package_iri(name: str, version: str) -> str:
    """The package URL of a distribution (purl specification, type ``pypi``: lower case, ``_`` as ``-``)."""
    return f"pkg:pypi/{_quote(name.lower().replace('_', '-'), safe='.')}@{_quote(version, safe='.')}"


def commit(folder: str) -> dict[str, Any] | None:
    r"""The Git commit that `folder` is checked out at.

    Returns:
        ``sha`` (40 hex digits, or 64), ``branch`` (empty if there is none), ``origin`` (without user name and
        password), ``dirty``, ``diff`` (text against the commit, untracked files left out; bytes that are no
        UTF-8 stand as ``\xff``) and ``diff_cut`` (whether it was longer than 8 MiB); None where there is no
        repository, no commit, no Git, or where Git needs more than three seconds.
    """
    return ask_commit(folder)()


def ask_commit(folder: str) -> Callable[[], dict[str, Any] | None]:
    """Have Git look what `commit` tells; gives a function that waits for it, to be called in any case."""
    if not folder or not _in_repository(folder):
        return lambda: None
    status = _Git(folder, "status", "--porcelain=v2", "--branch", "--untracked-files=no")
    origin = _Git(folder, "config", "--get", "remote.origin.url")

    def answer() -> dict[str, Any] | None:
        found, place = _told_by(status.answer() or ""), origin.answer()
        if found is None:
            return None
        found["origin"] = _without_secret((place or "").strip())
        if found["dirty"]:
            diff = _Git(folder, "diff", "HEAD").answer(_DIFF_LIMIT) or ""
            found["diff"], found["diff_cut"] = diff, len(diff) >= _DIFF_LIMIT
        return found

    return answer


def _told_by(status: str) -> dict[str, Any] | None:
    """What Git's status says of the commit; None if it says of none."""
    found: dict[str, Any] = {"dirty": False}
    for line in status.splitlines():
        if line.startswith("# branch.oid "):
            found["sha"] = line.split()[-1]
        elif line.startswith("# branch.head "):
            branch = line[len("# branch.head ") :]
            found["branch"] = "" if branch == "(detached)" else branch
        elif line[:1] in "12u":
            found["dirty"] = True
    return found if _is_sha(found.get("sha", "")) else None


def _is_sha(text: str) -> bool:
    return len(text) >= 40 and all(digit in "0123456789abcdef" for digit in text)


def _in_repository(folder: str) -> bool:
    folder = os.path.abspath(folder)
    while not os.path.exists(os.path.join(folder, ".git")):
        above = os.path.dirname(folder)
        if above == folder:
            return False
        folder = above
    return True


class _Git:
    """A command of Git that runs beside us.

    Its optional locks are off, so that it never disturbs the user's own Git.
    """

    def __init__(self, folder: str, *arguments: str) -> None:
        import subprocess

        command = ["git", "--no-optional-locks", "-c", "core.fsmonitor=false", "-C", folder, *arguments]
        if arguments[0] == "diff":
            command += ["--no-ext-diff", "--no-textconv", "--no-color"]
        environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
        environment |= {"GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}
        quiet = subprocess.DEVNULL
        self._process: subprocess.Popen[bytes] | None = None
        with Harmless(OSError, ValueError, subprocess.SubprocessError):
            self._process = subprocess.Popen(
                command, stdin=quiet, stdout=subprocess.PIPE, stderr=quiet, env=environment
            )

    def answer(self, limit: int = _ANSWER_LIMIT) -> str | None:
        """What Git prints, `limit` bytes of it; None if it fails or takes too long. To be called once."""
        if self._process is None:
            return None
        try:
            with self._process as git:
                answer = _answer(git.stdout, limit) if git.stdout else None
                if answer is None or len(answer) >= limit:
                    git.kill()
        except (OSError, ValueError):
            pass_on()
            return None
        if answer is None or (git.returncode and len(answer) < limit):
            return None
        return answer.decode("utf-8", "backslashreplace")


def _answer(pipe: IO[bytes], limit: int) -> bytes | None:
    """All that comes through `pipe`, `limit` bytes at most; None if that takes too long."""
    import select
    import time

    end = time.monotonic() + _GIT_SECONDS
    found = bytearray()
    poll = select.poll()
    poll.register(pipe, select.POLLIN)
    while len(found) < limit:
        if not poll.poll(max(0.0, end - time.monotonic()) * 1000):
            return None
        part = os.read(pipe.fileno(), 1 << 16)
        if not part:
            break
        found += part
    return bytes(found[:limit])


def _without_secret(url: str) -> str:
    """A remote's address without the user name, password and query that some people keep a secret in."""
    scheme, mark, rest = url.partition("://")
    if not mark:
        return url
    rest = rest.partition("?")[0].partition("#")[0]
    place, slash, path = rest.partition("/")
    if ":" in place and "@" not in place and "@" in path:
        return f"{scheme}://{rest.rpartition('@')[2]}"  # a password with a slash in it
    return f"{scheme}://{place.rpartition('@')[2]}{slash}{path}"


def peak_memory() -> int:
    """The most memory that this process has had so far, in bytes."""
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024
