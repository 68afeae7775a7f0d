"""quire-gdb.py - gdb helpers for the kernel: `gdb -x tools/quire-gdb.py build/quire.elf`, then `target remote :1234`.

  qps               all tasks: address, pid, state, what they wait for
  qbt TASK          backtrace of a task that is not running (address as qps shows it)
  qpcpu NAME [CPU]  a per-CPU variable
  qlog              the kernel's log ring
  qpt ADDRESS       walk the loaded page table for an address
  qpage FRAME       struct page of a frame number
"""
import gdb

STATES = ["R", "S", "D", "K", "T", "t", "Z", "X"]


def u64(value):
    return int(value) & ((1 << 64) - 1)


def read_u64(address):
    return int.from_bytes(gdb.selected_inferior().read_memory(address, 8).tobytes(), "little")


def symbol(name):
    return gdb.parse_and_eval(name)


def percpu(name, cpu):
    offset = u64(symbol("percpu_offset[%d]" % cpu))
    address = u64(symbol("&%s" % name))
    kind = symbol("&%s" % name).type
    return gdb.Value((address + offset) & ((1 << 64) - 1)).cast(kind).dereference()


def tasks():
    """Running ones, then whatever the process table knows."""
    seen = set()
    for cpu in range(int(symbol("nr_cpus"))):
        t = percpu("current_task", cpu)
        if u64(t) and u64(t) not in seen:
            seen.add(u64(t))
            yield t.dereference()
    try:
        yield from process_tasks(seen)
    except gdb.error:
        pass


def process_tasks(seen):
    kind = gdb.lookup_type("struct process")
    head = symbol("process_list")
    offset = [f for f in kind.fields() if f.name == "all_link"][0].bitpos // 8
    node = head["next"]
    thread_offset = [f for f in gdb.lookup_type("struct task").fields() if f.name == "thread_link"][0].bitpos // 8
    while u64(node) != u64(head.address):
        process = gdb.Value(u64(node) - offset).cast(kind.pointer()).dereference()
        thread = process["threads"]["next"]
        while u64(thread) != u64(process["threads"].address):
            t = gdb.Value(u64(thread) - thread_offset).cast(gdb.lookup_type("struct task").pointer()).dereference()
            if u64(t.address) not in seen:
                yield t
            thread = thread["next"]
        node = node["next"]


class Ps(gdb.Command):
    def __init__(self):
        super().__init__("qps", gdb.COMMAND_DATA)

    def invoke(self, argument, from_tty):
        for t in tasks():
            wchan = t["wchan"].string() if u64(t["wchan"]) else ""
            print("%#x %5d cpu%d %s %-16s %s" % (u64(t.address), int(t["tid"]), int(t["cpu"]),
                                                 STATES[int(t["state"])], t["comm"].string(), wchan))


class Backtrace(gdb.Command):
    def __init__(self):
        super().__init__("qbt", gdb.COMMAND_STACK)

    def invoke(self, argument, from_tty):
        task = gdb.parse_and_eval("(struct task *)(%s)" % argument)
        sp = u64(task["arch"]["sp"])
        frame, pc = read_u64(sp + 40), read_u64(sp + 48)
        low, high = u64(task["kstack"]), u64(task["kstack"]) + 16384
        for _ in range(40):
            print("  %#x %s" % (pc, gdb.execute("info symbol %#x" % pc, to_string=True).strip()))
            if not low <= frame < high - 16:
                break
            frame, pc = read_u64(frame), read_u64(frame + 8)
            if not pc:
                break


class PerCpu(gdb.Command):
    def __init__(self):
        super().__init__("qpcpu", gdb.COMMAND_DATA)

    def invoke(self, argument, from_tty):
        words = argument.split()
        cpus = [int(words[1])] if len(words) > 1 else range(int(symbol("nr_cpus")))
        for cpu in cpus:
            print("cpu %d: %s" % (cpu, percpu(words[0], cpu)))


class Log(gdb.Command):
    def __init__(self):
        super().__init__("qlog", gdb.COMMAND_DATA)

    def invoke(self, argument, from_tty):
        start, end = u64(symbol("log_start")), u64(symbol("log_end"))
        size = int(symbol("sizeof(ring)"))
        ring = gdb.selected_inferior().read_memory(u64(symbol("&ring")), size).tobytes()
        text = bytes(ring[i % size] for i in range(start, end))
        print(text.decode("utf-8", "replace"), end="")


class PageTable(gdb.Command):
    def __init__(self):
        super().__init__("qpt", gdb.COMMAND_DATA)

    def invoke(self, argument, from_tty):
        address = u64(gdb.parse_and_eval(argument))
        base = u64(symbol("page_offset_base"))
        table = u64(symbol("$cr3")) & 0x000ffffffffff000
        for level in range(int(symbol("pt_levels")), 0, -1):
            shift = 12 + 9 * (level - 1)
            index = address >> shift & 511
            entry = read_u64(base + table + 8 * index)
            print("level %d [%3d] %#018x" % (level, index, entry))
            if not entry & 1 or level == 1 or (level <= 3 and entry & 0x80):
                break
            table = entry & 0x000ffffffffff000


class Page(gdb.Command):
    def __init__(self):
        super().__init__("qpage", gdb.COMMAND_DATA)

    def invoke(self, argument, from_tty):
        print(symbol("((struct page *)vmemmap_base)[%s]" % argument))


for command in (Ps, Backtrace, PerCpu, Log, PageTable, Page):
    command()
gdb.execute("set pagination off")
