//! The flow language: parse, check, step. Pure.
