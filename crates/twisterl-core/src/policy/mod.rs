//! Policies: the network description, inference, populations of perturbed policies, and weight files.

pub mod arithmetic;
pub mod executor;
pub mod init;
pub mod layers;
pub mod network;
#[allow(clippy::module_inception)]
mod policy;
pub mod population;
pub mod scaling;
#[cfg(test)]
pub(crate) mod test_policy;
pub mod weights;

pub use arithmetic::Arithmetic;
pub use policy::Policy;
