"""What a contender costs: time, processor seconds of it and of the servers, memory, disk."""

import os
import subprocess
import threading
import time

TICK = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")
LOOK_S = 0.2


def stat(pid):
    """Fields of /proc/PID/stat after the name, or None where the process is gone."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            return file.read().rpartition(")")[2].split()
    except OSError:
        return None


def cpu_s(pid):
    """Seconds of a process and of all its children, those included that have ended."""
    ticks = 0
    fields = stat(pid)
    if fields:
        ticks = sum(map(int, fields[11:15]))
        for child in children(pid):
            of_child = stat(child)
            ticks += sum(map(int, of_child[11:15])) if of_child else 0
    return ticks / TICK


def children(pid):
    """All processes below a process."""
    parents = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            fields = stat(name)
            if fields:
                parents.setdefault(int(fields[1]), []).append(int(name))
    found, waiting = [], [pid]
    while waiting:
        below = parents.get(waiting.pop(), [])
        found += below
        waiting += below
    return found


def resident(pid):
    """Resident bytes of a process and of all below it."""
    total = 0
    for one in [pid, *children(pid)]:
        fields = stat(one)
        total += int(fields[21]) * PAGE if fields else 0
    return total


class Run:
    """A contender that runs, watched until it ends."""

    def __init__(self, command, servers, log, env=None, wait=None):
        """`servers` are numbers of processes by name; `wait` ends the contender where it does not
        end by itself: it is called with the process and returns when the answer is there."""
        self.peak = 0
        before = {name: cpu_s(pid) for name, pid in servers.items()}
        began = time.monotonic()
        with open(log, "wb") as said:
            process = subprocess.Popen(
                command, stdout=said, stderr=said, stdin=subprocess.DEVNULL, env=env
            )
            ended = threading.Event()
            watching = threading.Thread(target=self._watch, args=(process.pid, ended), daemon=True)
            watching.start()
            usage = None
            if wait:
                wait(process)
                self.seconds = time.monotonic() - began
                usage = cpu_s(process.pid)
                process.terminate()
                status = process.wait()
            else:
                _, raw, used = os.wait4(process.pid, 0)
                status = process.returncode = os.waitstatus_to_exitcode(raw)
                self.seconds = time.monotonic() - began
                usage = used.ru_utime + used.ru_stime
                self.peak = max(self.peak, used.ru_maxrss * 1024)
            ended.set()
            watching.join()
        if status != 0:
            with open(log, encoding="utf-8", errors="replace") as said:
                raise SystemExit(f"{command[0]} ended with {status}:\n{said.read()[-3000:]}")
        self.cpu = {"itself": usage}
        self.cpu |= {name: cpu_s(pid) - before[name] for name, pid in servers.items()}

    def _watch(self, pid, ended):
        while not ended.wait(LOOK_S):
            self.peak = max(self.peak, resident(pid))
