"""Jobs on operating system threads.

A job neither sees the other jobs nor which thread runs it, so results do not depend on the number of threads.
"""

from std.ffi import c_int, external_call
from std.sys import num_logical_cores


trait Job(Copyable, Deinitable):
    """Work that can run at the same time as other work."""

    def run(mut self) raises:
        """Runs the job. Results stay in its fields."""
        ...


struct Worker[J: Job](Copyable):
    """The work of one thread: every `stride`-th job, from `first` on."""

    var jobs: Pointer[Self.J, MutUntrackedOrigin]
    """All jobs, `[count]`."""
    var count: Int
    var first: Int
    var stride: Int
    var thread: Int
    """The thread handle of the operating system; 0: none."""
    var error: Optional[Error]
    """The error of the first job that failed."""

    def __init__(out self, jobs: Pointer[Self.J, MutUntrackedOrigin], count: Int, first: Int, stride: Int):
        self.jobs = jobs
        self.count = count
        self.first = first
        self.stride = stride
        self.thread = 0
        self.error = None

    def run(mut self):
        """Runs the jobs of this thread until one fails."""
        try:
            for i in range(self.first, self.count, self.stride):
                self.jobs[unsafe_offset=i].run()
        except error:
            self.error = error


def thread_main[J: Job](worker: Pointer[Worker[J], MutUntrackedOrigin]) abi("C") -> Int:
    """Runs a worker. The entry point of a thread."""
    worker[].run()
    return 0


def thread_count(limit: Int) -> Int:
    """Returns the number of logical cores, but at most `limit` and at least 1."""
    return max(1, min(num_logical_cores(), limit))


def run_all[J: Job](mut jobs: List[J], threads: Int) raises:
    """Runs all jobs on at most `threads` threads, the calling one included. Raises the error of the first thread that
    had one.
    """
    var stride = max(1, min(threads, len(jobs)))
    var first_job = jobs.unsafe_ptr().unsafe_origin_cast[MutUntrackedOrigin]()
    var workers = List[Worker[J]](capacity=stride)
    for first in range(stride):
        workers.append(Worker(first_job, len(jobs), first, stride))
    for i in range(1, stride):
        var worker = Pointer(to=workers[i]).unsafe_origin_cast[MutUntrackedOrigin]()
        var handle = Pointer(to=workers[i].thread).unsafe_origin_cast[MutUntrackedOrigin]()
        if external_call["pthread_create", c_int](handle, Int(0), thread_main[J], worker) != 0:
            workers[i].thread = 0
            worker[].run()  # the system has no more threads: run on this one
    workers[0].run()
    for i in range(1, stride):
        if workers[i].thread != 0:
            _ = external_call["pthread_join", c_int](workers[i].thread, Int(0))
    _ = len(jobs)  # keeps the jobs alive until all threads have ended
    for worker in workers:
        if worker.error:
            raise worker.error.value()


def unowned[T: AnyType](ref value: T) -> Pointer[T, ImmUntrackedOrigin]:
    """Returns a read-only pointer for jobs. The caller must keep `value` alive until they have ended."""
    return Pointer(to=value).as_imm().unsafe_origin_cast[ImmUntrackedOrigin]()


def unowned_mut[T: AnyType](mut value: T) -> Pointer[T, MutUntrackedOrigin]:
    """Returns a pointer for one job that may write. The caller must keep `value` alive until it has ended."""
    return Pointer(to=value).unsafe_origin_cast[MutUntrackedOrigin]()
