//! What operators do to running systems and what becomes of them: everything here happens under load, to real processes.

mod balancer;
mod database;
mod fleet;
mod load;
mod resolution;
mod rolling_update;
mod silence;
mod start;
mod stop;
