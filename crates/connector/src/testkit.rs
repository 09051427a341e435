//! The conformance suite that every connector passes.
