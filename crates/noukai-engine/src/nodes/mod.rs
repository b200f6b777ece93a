//! The node kinds: one file each, one verb each.

pub(crate) mod branch;
pub(crate) mod code;
pub(crate) mod each;
pub(crate) mod leaf;
pub(crate) mod parallel;
pub(crate) mod sequence;
