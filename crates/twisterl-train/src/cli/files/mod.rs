//! Policies as files: the commands that write one, and the one that plays a bundle.

pub(super) mod bundle;
pub(super) mod convert;
pub(super) mod run;
