//! Worker processes, which end together with the processes that they have started.

use std::io;
use std::process::{Child, Command, ExitStatus};
#[cfg(not(unix))]
use std::process::{ChildStdin, ChildStdout};

/// A process at the head of a group of its own, to which the processes that it starts belong until they leave it. All of them
/// are killed with it, and once it has ended. Ctrl-C in a terminal does not reach the group.
#[derive(Debug)]
pub struct Leader {
    child: Child,
    status: Option<ExitStatus>,
}

impl Leader {
    /// Starts a process.
    ///
    /// # Errors
    /// If the system refuses.
    pub fn start(command: &mut Command) -> io::Result<Self> {
        system::lead(command);
        Ok(Self { child: command.spawn()?, status: None })
    }

    /// The number of the process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Returns how the process ended; `None` while it is running.
    ///
    /// # Errors
    /// If the system does not say.
    pub fn try_wait(&mut self) -> io::Result<Option<ExitStatus>> {
        if self.status.is_none() && system::has_ended(&mut self.child)? {
            self.kill();
            return self.wait().map(Some);
        }
        Ok(self.status)
    }

    /// Takes standard output and input of the process, if they are pipes.
    #[cfg(not(unix))]
    pub fn pipes(&mut self) -> (Option<ChildStdout>, Option<ChildStdin>) {
        (self.child.stdout.take(), self.child.stdin.take())
    }

    /// Kills the group, unless the process was waited for: then its number may be that of another.
    pub fn kill(&mut self) {
        if self.status.is_none() {
            system::kill_group(&self.child);
            // It may end by itself in this moment.
            let _ = self.child.kill();
        }
    }

    /// Waits for the end of the process, and returns how it ended.
    ///
    /// # Errors
    /// If the system does not say.
    pub fn wait(&mut self) -> io::Result<ExitStatus> {
        let status = self.child.wait()?;
        self.status = Some(status);
        Ok(status)
    }
}

#[cfg(unix)]
mod system {
    use super::{Child, Command, io};
    use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};
    use std::os::unix::process::CommandExt as _;

    pub(super) fn lead(command: &mut Command) {
        command.process_group(0);
    }

    /// Returns true if the process has ended. Its number, and so that of the group, is kept until it is waited for.
    pub(super) fn has_ended(child: &mut Child) -> io::Result<bool> {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        Ok(waitid(WaitId::Pid(Pid::from_child(child)), options)?.is_some())
    }

    pub(super) fn kill_group(child: &Child) {
        // There may be nobody left.
        let _ = kill_process_group(Pid::from_child(child), Signal::KILL);
    }
}

#[cfg(not(unix))]
mod system {
    use super::{Child, Command, io};

    /// There are no groups: the process alone is killed.
    pub(super) fn lead(_: &mut Command) {}

    pub(super) fn has_ended(child: &mut Child) -> io::Result<bool> {
        child.try_wait().map(|status| status.is_some())
    }

    pub(super) fn kill_group(_: &Child) {}
}
