//! Policies: the network description, inference on it, action distributions and weight files.

pub mod distribution;
mod elementary;
pub mod forward;
pub mod init;
pub mod layers;
pub mod network;
pub mod perturbation;
#[allow(clippy::module_inception)]
mod policy;
pub mod population;
mod product;
pub mod scaling;
pub mod tensors;
pub mod weights;

pub use policy::Policy;
