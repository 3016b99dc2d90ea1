"""Jobs on threads of the operating system. A job sees nothing of the others, and which thread runs it does not matter, so
that no result depends on the number of threads.
"""

from std.ffi import c_int, external_call
from std.sys import num_logical_cores


trait Job(Copyable, Deinitable):
    """Work that can be done beside other work."""

    def run(mut self) raises:
        """Does it."""
        ...


struct Worker[J: Job](Copyable):
    """One thread: it runs every `stride`-th job, from `first` on."""

    var jobs: Pointer[Self.J, MutUntrackedOrigin]
    var count: Int
    var first: Int
    var stride: Int
    var thread: Int
    """The handle of the operating system."""
    var error: Optional[Error]

    def __init__(out self, jobs: Pointer[Self.J, MutUntrackedOrigin], count: Int, first: Int, stride: Int):
        self.jobs = jobs
        self.count = count
        self.first = first
        self.stride = stride
        self.thread = 0
        self.error = None

    def run(mut self):
        """Runs its jobs, up to the first that fails."""
        try:
            for i in range(self.first, self.count, self.stride):
                self.jobs[unsafe_offset=i].run()
        except error:
            self.error = error


def work[J: Job](worker: Pointer[Worker[J], MutUntrackedOrigin]) abi("C") -> Int:
    """Where a thread begins."""
    worker[].run()
    return 0


def cores(most: Int) -> Int:
    """The number of threads to use: that of the machine's cores, but at most `most`."""
    return max(1, min(num_logical_cores(), most))


def run_all[J: Job](mut jobs: List[J], threads: Int) raises:
    """Runs all jobs on at most `threads` threads, this one among them. Raises the error of the first thread that had one."""
    var stride = max(1, min(threads, len(jobs)))
    var place = jobs.unsafe_ptr().unsafe_origin_cast[MutUntrackedOrigin]()
    var workers = List[Worker[J]](capacity=stride)
    for first in range(stride):
        workers.append(Worker(place, len(jobs), first, stride))
    for i in range(1, stride):
        var worker = Pointer(to=workers[i]).unsafe_origin_cast[MutUntrackedOrigin]()
        var handle = Pointer(to=workers[i].thread).unsafe_origin_cast[MutUntrackedOrigin]()
        if external_call["pthread_create", c_int](handle, Int(0), work[J], worker) != 0:
            workers[i].thread = 0
            worker[].run()  # no thread to be had: the work is done here
    workers[0].run()
    for i in range(1, stride):
        if workers[i].thread != 0:
            _ = external_call["pthread_join", c_int](workers[i].thread, Int(0))
    _ = len(jobs)  # lives until all threads are done
    for worker in workers:
        if worker.error:
            raise worker.error.value()


def lent[T: AnyType](ref value: T) -> Pointer[T, ImmUntrackedOrigin]:
    """A view of a value for jobs. The caller keeps the value alive until they are done."""
    return Pointer(to=value).as_imm().unsafe_origin_cast[ImmUntrackedOrigin]()


def lent_mut[T: AnyType](mut value: T) -> Pointer[T, MutUntrackedOrigin]:
    """A view of a value that one job may change. The caller keeps the value alive until it is done."""
    return Pointer(to=value).unsafe_origin_cast[MutUntrackedOrigin]()
