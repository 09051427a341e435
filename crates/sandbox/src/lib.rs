//! Serves the simulators over HTTP, with fault switches and a clock that can run faster. Never in production.
