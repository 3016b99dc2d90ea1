//! The gradients of the layers over positions.

mod attention;
mod conv;
mod pool;
mod positions;
mod shape;
