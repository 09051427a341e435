//! Serves the simulators over HTTP, with faults on demand and a clock that can run faster.
//!
//! Role: one [`Host`] gives every double an address (`http://127.0.0.1:PORT/{connection}`, or
//! `smtp://127.0.0.1:PORT` where mail is spoken), makes
//! the world between the hub and the providers as bad as asked ([`Faults`], [`Script`]), carries
//! the doubles' webhooks to the hub, and shows the guests' phone at `/_sandbox/phone`.
//!
//! Promise: what a double did is never hidden by a fault (its arrivals count the work, whatever
//! happened to the answer), the same seed draws the same faults for the same calls in the same
//! order, and nothing but loopback is listened on.
//!
//! It is not a simulator (those live beside their connectors), and never part of production.

mod control;
mod dice;
mod faults;
mod host;
mod mail;
mod phone;
mod ports;
mod serve;
mod traffic;
mod webhooks;

pub use faults::{Fault, FaultError, Faults, Script};
pub use host::{Host, Options};
pub use ports::free_port;
pub use traffic::{Traffic, WebhookTraffic};
