//! Layers over positions: `[length, features]` and `[height, width, features]`.

mod attention;
mod conv;
mod pool;
mod positions;
mod shape;

pub use attention::{Attention, Head, attend, dot};
pub use conv::{Conv1d, Conv2d, PADDING, Patches};
pub use pool::{Pool, PoolBy};
pub use positions::Positions;
pub use shape::{Flatten, Reshape, Transpose};
