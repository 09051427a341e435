//! One file per command.

pub(crate) mod bench;
pub(crate) mod check;
pub(crate) mod keys;
pub(crate) mod lists;
pub(crate) mod serve;
