//! twenty
