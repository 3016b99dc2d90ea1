//! The dispositions of signals.

/// The reaction of the process to a signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Disposition {
    /// That of the operating system; here, the end of the process.
    Default,
    /// None: the parent process asked for it, as `nohup` and shells that start a command in the background do.
    Ignored,
    /// A handler of the host, such as Python's.
    Handled,
}

/// Returns the present reaction to `signal`.
#[cfg(unix)]
#[allow(unsafe_code)]
pub(super) fn disposition(signal: i32) -> Disposition {
    let mut present = std::mem::MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: without a new action, `sigaction` only reads the present one. It writes it to `present`, which is valid for
    // that; all zeros, as after a failure, is the valid value of the default action.
    let present = unsafe {
        libc::sigaction(signal, std::ptr::null(), present.as_mut_ptr());
        present.assume_init()
    };
    match present.sa_sigaction {
        libc::SIG_DFL => Disposition::Default,
        libc::SIG_IGN => Disposition::Ignored,
        _ => Disposition::Handled,
    }
}

/// Returns the present reaction to `signal`. Signals are not inherited on other systems.
#[cfg(not(unix))]
pub(super) fn disposition(_: i32) -> Disposition {
    Disposition::Default
}
