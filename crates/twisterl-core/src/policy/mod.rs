//! Policies: the network description, inference, populations of perturbed policies, and weight files.

pub mod executor;
pub mod init;
pub mod layers;
mod math;
pub mod network;
#[allow(clippy::module_inception)]
mod policy;
pub mod population;
pub mod scaling;
#[cfg(test)]
pub(crate) mod test_policy;
pub mod weights;

pub use policy::Policy;
