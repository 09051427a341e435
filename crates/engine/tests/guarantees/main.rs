//! The guarantees of the engine, by their names in design.md, in one process: a clock that is moved
//! by hand, a provider that is written in the test, and a server whose answers are scripted.

mod cases;
mod clock;
mod consents;
mod examining;
mod g03;
mod g04;
mod g05;
mod g06;
mod g07;
mod g07_restart;
mod g08;
mod g09;
mod g10;
mod g10_chance;
mod g11;
mod g13;
mod history;
mod hub;
mod identity;
mod leaving;
mod login;
mod matrix;
mod network;
mod operating;
mod people;
mod promises;
mod provider;
mod refunds;
mod registry;
mod separated;
mod server;
#[path = "../../../store/tests/postgres/server.rs"]
mod server_of_tests;
mod waits;
mod webhooks;
mod wires;
mod withheld;
