//! Filters (RFC 7644 §3.4.2.2): parsed and typed once, and evaluated in memory.

mod ast;
mod evaluate;
mod narrow;
mod parser;
mod patch_path;
#[cfg(test)]
mod print;
#[cfg(test)]
mod tests;

pub use ast::{CompareOp, Filter, Literal};
pub use evaluate::{evaluate, evaluate_element, satisfies};
pub use narrow::Narrowed;
pub use parser::{parse, parse_beside};

pub(super) use patch_path::{PatchPath, PatchTarget, parse_patch_path};
