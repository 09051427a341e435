//! hi_events
