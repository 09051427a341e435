//! One file per command.

pub(crate) mod backup;
pub(crate) mod bench;
pub(crate) mod cases;
pub(crate) mod check;
pub(crate) mod consents;
pub(crate) mod demo;
pub(crate) mod doctor;
pub(crate) mod explain;
pub(crate) mod flows;
pub(crate) mod holds;
pub(crate) mod keys;
pub(crate) mod lists;
pub(crate) mod market;
pub(crate) mod openapi;
pub(crate) mod operate;
pub(crate) mod process;
pub(crate) mod restore;
pub(crate) mod rne;
pub(crate) mod sandbox;
pub(crate) mod serve;
pub(crate) mod signals;
pub(crate) mod suppressions;
pub(crate) mod texts;
pub(crate) mod tickets;
pub(crate) mod top;
pub(crate) mod users;
